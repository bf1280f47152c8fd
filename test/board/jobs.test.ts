import { once } from 'node:events';
import { cp, readFile } from 'node:fs/promises';
import { request } from 'node:http';
import { afterEach, describe, expect, it } from 'vitest';
import { isRunning, knownProcess } from '../../src/files/lock.js';
import { tinyModel } from '../cli/run.js';
import { until } from '../until.js';
import { call, read } from './call.js';
import { folderOfRuns } from './folderOfRuns.js';
import { startBoard } from './started.js';

const folder = folderOfRuns(async (path, task) => {
  await cp(tinyModel, path('tiny'), { recursive: true });
  await cp(task, path('reviews.csv'));
  return startBoard(path());
});
const { runs, table, run } = folder;
// Before the board is closed.
afterEach(async () => {
  for (const { state, id } of await table()) if (state === 'running') await post('/api/stop', { id });
  await until(async () => (await table()).every(({ state }) => state !== 'running'));
});

async function post(path: string, body: object) {
  const headers = { 'content-type': 'application/json' };
  const { status, text } = await call(folder.board, path, { method: 'POST', headers, body: JSON.stringify(body) });
  return { status, body: JSON.parse(text) };
}

const settings = {
  model: 'tiny',
  task: 'reviews.csv',
  textColumn: 'review',
  labelColumn: 'stars',
  method: 'lora',
  rank: 2,
  batchSize: 8,
  maxLength: 16,
  threads: 1,
  epochs: 4000,
  saveSteps: 20,
};
const isAt = (name: string, step: number) => async () => ((await run(name))?.phase?.done ?? 0) > step;

describe('a run of the form', () => {
  it('is started, paused with its last step saved, gone on with, and stopped; another waits for its turn', async () => {
    const { status, body } = await post('/api/start', { settings, output: 'mine' });
    expect([status, body.id]).toEqual([200, '0/mine']);
    const second = await post('/api/start', { settings: { ...settings, seed: 2 }, output: 'later' });
    expect(second.status).toBe(200);
    await until(isAt('mine', 20));
    expect(await run('mine')).toMatchObject({ state: 'running', canStop: true, saves: true, job: body.job });
    expect(await run('later')).toMatchObject({ state: 'waiting', method: 'lora', canStop: true });
    expect((await post('/api/stop', { id: '0/later' })).status).toBe(200);
    expect(await run('later')).toBeUndefined();

    expect((await post('/api/pause', { id: '0/mine' })).status).toBe(200);
    await until(async () => (await run('mine'))?.state === 'stopped');
    const paused = (await read(folder.board, '/api/run?id=0/mine')).series.loss.x.at(-1);
    expect(await run('mine')).toMatchObject({ isSaved: true, canStop: false });
    expect((await post('/api/resume', { id: '0/mine' })).status).toBe(200);
    await until(isAt('mine', paused + 20));
    const { series } = await read(folder.board, '/api/run?id=0/mine');
    // From the first step on, without a gap and without a step told twice.
    expect(series.loss.x[0]).toBe(1);
    expect(series.loss.x).toEqual([...new Set(series.loss.x)].sort((a, b) => Number(a) - Number(b)));
    const { text } = await read(folder.board, `/api/log?job=${(await run('mine'))!.job}`);
    expect(text).toContain('Going on from');
    await post('/api/stop', { id: '0/mine' });
    await until(async () => (await run('mine'))?.state === 'stopped');
  });

  it('outlives the board, and is known to the next one', async () => {
    await post('/api/start', { settings, output: 'mine' });
    await until(isAt('mine', 5));
    await folder.board.close();
    folder.board = await startBoard(runs());
    const before = (await run('mine'))!;
    expect(before).toMatchObject({ state: 'running', canStop: true });
    expect(before.job).toBeDefined();
    await until(isAt('mine', before.phase!.done + 5));
  });

  it('that fails before it has a folder is told of with what it said', async () => {
    await post('/api/start', { settings: { ...settings, textColumn: 'nothing' }, output: 'wrong' });
    await until(async () => (await run('wrong'))?.state === 'failed');
    expect((await run('wrong'))!.error).toContain('nothing');
  });

  it('is refused with a sentence where settings, name or place are wrong', async () => {
    const wrong: [object, number, string][] = [
      [{ settings: { ...settings, rank: 0 }, output: 'x' }, 400, 'rank'],
      [{ settings: { ...settings, rnak: 1 }, output: 'x' }, 400, 'nearest: rank'],
      [{ settings: { ...settings, pissaIterations: 3 }, output: 'x' }, 400, 'pissa'],
      [{ settings, output: '../out' }, 400, '".."'],
      [{ settings, output: folder.beside('out') }, 400, 'within the folder'],
      [{ settings, output: '.hidden' }, 400, 'dot'],
      [{ settings: { ...settings, task: folder.task }, output: 'x' }, 403, 'outside'],
      [{ settings: { ...settings, task: '../reviews.csv' }, output: 'x' }, 403, 'outside'],
      [{ settings: { ...settings, task: 'none.csv' }, output: 'x' }, 404, 'task'],
      [{ settings: { ...settings, model: tinyModel }, output: 'x' }, 403, 'outside'],
      [{ settings: { ...settings, dataDir: '/etc' }, output: 'x' }, 403, 'outside'],
      [{ settings: { ...settings, logDir: '/tmp' }, output: 'x' }, 403, 'outside'],
      [{ settings, output: 'x', more: 1 }, 400, 'more'],
    ];
    for (const [body, status, part] of wrong) {
      const answer = await post('/api/start', body);
      expect([answer.status, answer.body.error.message], JSON.stringify(body)).toEqual([
        status,
        expect.stringContaining(part),
      ]);
    }
    expect((await post('/api/pause', { id: '0/nowhere' })).status).toBe(404);
    expect(await table()).toEqual([]);
  });
});

describe.skipIf(process.platform !== 'linux')('a board that is killed', () => {
  /** Processes that another one has started. */
  const childrenOf = async (pid: number) =>
    (await readFile(`/proc/${pid}/task/${pid}/children`, 'utf8')).trim().split(' ').filter(Boolean).map(Number);

  it('leaves no model behind that it opened in Try, and lets a run go on', async () => {
    await post('/api/start', { settings: { ...settings, epochs: 1 }, output: 'done' });
    await until(async () => (await run('done'))?.state === 'done');
    expect((await post('/api/try/open', { id: '0/done' })).status).toBe(200);
    const [model, ...others] = await childrenOf(folder.board.pid);
    expect(others).toEqual([]);
    const known = knownProcess(model!);
    await post('/api/start', { settings, output: 'mine' });
    await until(isAt('mine', 5));
    await folder.board.close('SIGKILL');
    await until(async () => !isRunning(known));
    folder.board = await startBoard(runs());
    expect(await run('mine')).toMatchObject({ state: 'running' });
  });
});

describe('the form', () => {
  it('is made of the schema: every setting with what it takes, its choices and its default', async () => {
    const { settings: views } = await read(folder.board, '/api/settings');
    const of = (key: string) => views.find((one: { key: string }) => one.key === key);
    expect(of('rank')).toMatchObject({ group: 'Method', flag: '--rank', type: 'integer' });
    expect(of('method').choices).toContain('dora');
    expect(of('batchSize')).toMatchObject({
      usual: expect.any(Number),
      takes: expect.stringContaining('whole number'),
    });
    expect(of('dropout')).toMatchObject({ type: 'mixed', choices: ['model'] });
  });

  it('says what nothing would read and why, what is wrong, and the command and the YAML', async () => {
    const { body } = await post('/api/check', {
      settings: { task: 'reviews.csv', method: 'lora', rank: 4 },
      output: 'a b',
    });
    const idle = new Map(body.idle.map(({ key, reason }: { key: string; reason: string }) => [key, reason]));
    expect(idle.get('damLr')).toContain('this run has method lora without select');
    expect(idle.has('rank')).toBe(false);
    expect(body.command).toBe(
      "npx diffora train \\\n  --task reviews.csv \\\n  --method lora \\\n  --rank 4 \\\n  --output 'a b'",
    );
    expect(body.yaml).toBe('task: reviews.csv\nmethod: lora\nrank: 4\n');
    expect(body.fault).toBeUndefined();
    // Before the data are chosen their columns can be named.
    const empty = await post('/api/check', { settings: {} });
    expect(empty.body.fault).toContain('Choose the data');
    expect(empty.body.idle.map(({ key }: { key: string }) => key)).not.toContain('textColumn');
    const wrong = await post('/api/check', { settings: { task: 'cola', epochs: -1 } });
    expect(wrong.body.fault).toContain('epochs');
  });

  it('shows rows as they are read with the rows of each class, and what the run would take', async () => {
    const { body } = await post('/api/preview', { settings });
    expect(body.preview).toMatchObject({ kind: 'classification', labels: ['bad', 'good'] });
    const { rows, labelCounts, first } = body.preview.train;
    expect(rows + body.preview.dev.rows).toBe(40);
    expect(labelCounts.bad + labelCounts.good).toBe(rows);
    expect(first[0]).toMatchObject({ text: expect.any(String), label: expect.stringMatching(/good|bad/) });
    const { body: found } = await post('/api/estimate', { settings: { ...settings, epochs: 2 } });
    expect(found.estimate).toMatchObject({ trainSteps: 10, takenBy: 'training' });
    expect(found.estimate.memoryBytes).toBeGreaterThan(1e6);
    expect(found.estimate.time).toMatchObject({ training: { units: 10 }, evaluations: 1 });
    const missing = await post('/api/preview', { settings: { ...settings, labelColumn: 'none' } });
    expect(missing.status).toBe(400);
    expect(missing.body.error.message).toContain('none');
  });

  it('takes a table, by a name that stays in its folder, and refuses what is none or too large', async () => {
    const headers = { 'content-type': 'application/octet-stream' };
    const upload = (name: string, body: string) =>
      call(folder.board, `/api/upload?name=${encodeURIComponent(name)}`, { method: 'POST', headers, body });
    const { path } = JSON.parse((await upload('../../x/ä b.csv', 'text,label\na,b\n')).text);
    expect(path).toBe(runs('uploads', '_ b.csv'));
    expect(await readFile(path, 'utf8')).toBe('text,label\na,b\n');
    expect(JSON.parse((await upload('_ b.csv', 'again')).text).path).toBe(runs('uploads', '_ b-2.csv'));
    for (const name of ['run.sh', '.bashrc', '..', 'x.csv.exe'])
      expect((await upload(name, 'x')).status, name).toBe(400);
    const asked = request({
      host: '127.0.0.1',
      port: folder.board.port,
      path: '/api/upload?name=big.csv',
      method: 'POST',
      headers: { ...headers, authorization: `Bearer ${folder.board.token}`, 'content-length': 1e9 },
    });
    asked.on('error', () => {});
    asked.write('x');
    const [answer] = (await once(asked, 'response')) as [{ statusCode: number }];
    expect(answer.statusCode).toBe(413);
    asked.destroy();
  });

  it('refuses a body of settings that is too large', async () => {
    const big = { settings: { task: 'x'.repeat(2 ** 21) } };
    const { status } = await post('/api/check', big);
    expect(status).toBe(413);
  });
});
