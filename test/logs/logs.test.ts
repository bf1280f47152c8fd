import { readdir, readFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { parse } from 'csv-parse/sync';
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import { crc32c } from '../../src/logs/crc32c.js';
import { mlflow } from '../../src/logs/mlflow.js';
import { wandbLog } from '../../src/logs/wandb.js';
import { parseTrainConfig } from '../../src/settings/config.js';
import { diffora, quickRun, temporaryFolder, writeReviews } from '../cli/run.js';

const config = parseTrainConfig({ task: 'cola' }, 'test');
const context = (warn = vi.fn()) => ({ folder: 'unused', name: 'run', config, warn });

let folder: Awaited<ReturnType<typeof temporaryFolder>>;
beforeAll(async () => {
  folder = await temporaryFolder();
  await writeReviews(folder.path('reviews.csv'));
});
afterAll(() => folder.remove());
afterEach(() => vi.unstubAllEnvs());

describe('crc32c', () => {
  it('gives the checksums of RFC 3720, appendix B.4', () => {
    expect(crc32c(new Uint8Array(32))).toBe(0x8a9136aa);
    expect(crc32c(new Uint8Array(32).fill(0xff))).toBe(0x62a8ab43);
    expect(crc32c(Uint8Array.from({ length: 32 }, (_, i) => i))).toBe(0x46dd794e);
    expect(crc32c(new TextEncoder().encode('123456789'))).toBe(0xe3069283);
  });
});

describe('train --log', () => {
  it('writes a CSV with the numbers of metrics.jsonl, and changes nothing of the run', async () => {
    const output = folder.path('run');
    const flags = [...quickRun(folder.path('reviews.csv')), '--search-steps', '3', '--output'];
    const { code, stderr } = await diffora('train', ...flags, output, '--log', 'csv,tensorboard');
    expect(code, stderr).toBe(0);
    const rows: Record<string, string>[] = parse(await readFile(folder.path('run-logs', 'scalars.csv'), 'utf8'), {
      columns: true,
    });
    const of = (tag: string) => rows.filter((row) => row.tag === tag).map(({ value }) => Number(value));
    const metrics = (await readFile(folder.path('run', 'metrics.jsonl'), 'utf8'))
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line));
    expect(of('train/loss')).toEqual(metrics.filter(({ phase }) => phase === 'train').map(({ loss }) => loss));
    expect(of('search/entropy')).toEqual(
      metrics.filter(({ phase }) => phase === 'search').map(({ entropy }) => entropy),
    );
    const { scores } = JSON.parse(await readFile(folder.path('run', 'run.json'), 'utf8'));
    expect(of('dev/accuracy')).toEqual([scores.dev.accuracy]);
    expect(
      (await readdir(folder.path('run-logs'))).filter((name) => name.startsWith('events.out.tfevents.')),
    ).toHaveLength(1);
    const plain = folder.path('plain');
    expect((await diffora('train', ...flags, plain)).code).toBe(0);
    const adapter = (run: string) => readFile(folder.path(run, 'adapter', 'adapter_model.safetensors'));
    expect((await adapter('plain')).equals(await adapter('run'))).toBe(true);
  });

  it('says what a service needs before anything is trained', async () => {
    const flags = [...quickRun(folder.path('reviews.csv')), '--output', folder.path('none')];
    expect(await diffora('train', ...flags, '--log', 'mlflow')).toMatchObject({
      code: 2,
      stderr: expect.stringContaining('MLFLOW_TRACKING_URI'),
    });
    expect(await diffora('train', ...flags, '--log', 'wandb')).toMatchObject({
      code: 2,
      stderr: expect.stringContaining('npm install @wandb/sdk'),
    });
    expect(await diffora('train', ...flags, '--log', 'paper')).toMatchObject({ code: 2 });
    expect(await readdir(folder.path('.'))).not.toContain('none');
  });
});

describe('the log of MLflow', () => {
  let server: Server;
  const calls: { method: string; path: string; body: Record<string, unknown>; authorization?: string }[] = [];
  let failing = false;
  beforeAll(async () => {
    server = createServer((request, response) => {
      let text = '';
      request.on('data', (chunk) => {
        text += chunk;
      });
      request.on('end', () => {
        const path = request.url!.replace('/api/2.0/mlflow/', '').split('?')[0]!;
        const { authorization } = request.headers;
        calls.push({
          method: request.method!,
          path,
          body: text === '' ? {} : JSON.parse(text),
          ...(authorization ? { authorization } : {}),
        });
        const answers: Record<string, object> = {
          'experiments/create': { experiment_id: '7' },
          'runs/create': { run: { info: { run_id: 'abc' } } },
        };
        response.statusCode = path === 'experiments/get-by-name' ? 404 : failing ? 500 : 200;
        response.end(JSON.stringify(failing ? { message: 'no room' } : (answers[path] ?? {})));
      });
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  });
  afterAll(() => new Promise((resolve) => server.close(resolve)));
  const place = () => `http://127.0.0.1:${(server.address() as AddressInfo).port}`;

  it('makes experiment and run, sends settings and numbers, and ends the run', async () => {
    vi.stubEnv('MLFLOW_TRACKING_URI', place());
    vi.stubEnv('MLFLOW_TRACKING_TOKEN', 'secret');
    const log = await mlflow.open(context());
    // What comes within a second goes in one call.
    const now = vi.spyOn(Date, 'now').mockReturnValue(1_000_000);
    log.scalars({ 'train/loss': 0.5, 'train/gradient_norm': Number.NaN }, 1);
    log.scalars({ 'train/loss': 0.25 }, 2);
    now.mockReturnValue(1_001_001);
    log.scalars({ 'train/loss': 0.2 }, 3);
    log.scalars({ 'train/loss': 0.1 }, 4);
    now.mockRestore();
    await log.end('finished');
    expect(calls.map(({ path }) => path)).toEqual([
      'experiments/get-by-name',
      'experiments/create',
      'runs/create',
      'runs/log-batch',
      'runs/log-batch',
      'runs/log-batch',
      'runs/update',
    ]);
    expect(calls[2]!.body).toMatchObject({ experiment_id: '7', run_name: 'run' });
    expect(calls[3]!.body.params).toContainEqual({ key: 'method', value: 'diffora' });
    expect(calls[4]!.body.metrics).toMatchObject([
      { key: 'train/loss', value: 0.5, step: 1 },
      { key: 'train/loss', value: 0.25, step: 2 },
      { key: 'train/loss', value: 0.2, step: 3 },
    ]);
    expect(calls[5]!.body.metrics).toMatchObject([{ key: 'train/loss', value: 0.1, step: 4 }]);
    expect(calls[6]!.body).toMatchObject({ run_id: 'abc', status: 'FINISHED' });
    expect(new Set(calls.map(({ authorization }) => authorization))).toEqual(new Set(['Bearer secret']));
  });

  it('warns once when the server fails meanwhile, and never shows the token', async () => {
    vi.stubEnv('MLFLOW_TRACKING_URI', place());
    vi.stubEnv('MLFLOW_TRACKING_TOKEN', 'secret');
    const warn = vi.fn();
    const log = await mlflow.open(context(warn));
    failing = true;
    log.scalars({ 'train/loss': 0.5 }, 1);
    await log.end('finished');
    expect(warn).toHaveBeenCalledTimes(1);
    expect(warn.mock.calls[0]![0]).toMatch(
      /MLflow stops here, the run goes on: .* answered 500 to runs\/log-batch: .*no room/,
    );
    await expect(mlflow.open(context())).rejects.toThrow('answered 500');
    await expect(mlflow.open(context())).rejects.not.toThrow('secret');
  });

  it('says that a server cannot be reached, without the password in its address', async () => {
    vi.stubEnv('MLFLOW_TRACKING_URI', 'http://me:hidden@127.0.0.1:1');
    const failure = await mlflow.open(context()).catch((error: Error) => error.message);
    expect(failure).toContain('http://127.0.0.1:1 cannot be reached');
    expect(failure).not.toContain('hidden');
  });
});

describe('the log of Weights & Biases', () => {
  it('gives the client a project, a name, the settings and the numbers, steps rising over all', async () => {
    const log = vi.fn();
    const finish = vi.fn(async () => undefined);
    const init = vi.fn(async () => ({ log, finish }));
    const run = await wandbLog(async () => ({ default: { init } })).open(context());
    run.scalars({ 'search/entropy': 0.9 }, 1);
    run.scalars({ 'train/loss': 0.5 }, 1);
    await run.end('failed');
    expect(init).toHaveBeenCalledWith({ project: 'diffora', name: 'run', config });
    expect(log.mock.calls).toEqual([
      [{ 'search/entropy': 0.9, step: 1 }, 0],
      [{ 'train/loss': 0.5, step: 1 }, 1],
    ]);
    expect(finish).toHaveBeenCalledWith(1);
  });

  it('goes on with the run when the client fails', async () => {
    const warn = vi.fn();
    const init = async () => ({
      log: () => {
        throw new Error('offline');
      },
      finish: async () => undefined,
    });
    const run = await wandbLog(async () => ({ default: { init } })).open(context(warn));
    run.scalars({ 'train/loss': 0.5 }, 1);
    await run.end('finished');
    expect(warn.mock.calls).toEqual([['The log of Weights & Biases stops here, the run goes on: offline']]);
  });

  it('refuses a module that is no client', async () => {
    await expect(wandbLog(async () => ({ default: {} })).open(context())).rejects.toThrow('has no init()');
  });
});
