import { request } from 'node:http';
import { setTimeout } from 'node:timers/promises';
import OpenAI from 'openai';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  loadModel,
  type RunningServer,
  type ServeOptions,
  serve,
  silent,
  taskFromExamples,
  train,
} from '../../src/index.js';
import { diffora, temporaryFolder, tinyModel } from '../cli/run.js';
import { startDiffora } from '../cli/started.js';
import { quickTraining, reviews } from '../library/reviews.js';
import { countSessions } from '../library/sessions.js';
import { clientOf, post, servedFor, writer } from './served.js';

const apiKey = 'a-key-of-tests';
const authorization = { authorization: `Bearer ${apiKey}` };
const served = servedFor(async (path) => ({ model: await writer(path('letters')), apiKey, maxQueue: 2 }));
const asked = { model: 'letters', prompt: 'a b', temperature: 0, max_tokens: 5 };

async function errorOf(response: Response) {
  return ((await response.json()) as { error: { message: string; type: string; code: string | null } }).error;
}

describe('a request that cannot be served', () => {
  it('is told that a body of 10 MB is too large', async () => {
    const body = JSON.stringify({ ...asked, prompt: 'a'.repeat(10_000_000) });
    const response = await post(served.server, '/v1/completions', body, authorization);
    expect(response.status).toBe(413);
    expect((await errorOf(response)).message).toContain('larger than this server takes');
  });

  it.each([
    ['broken', '{"model": "letters", ', 'not valid JSON'],
    ['empty', '', 'The body is empty'],
    ['a list', '[1]', 'The request is [1]'],
    ['a text', '"text"', 'The request is "text"'],
    ['deep', `{"model":${'['.repeat(50_000)}${']'.repeat(50_000)}}`, 'nested more than 100 deep'],
  ])('is told what is wrong with a body that is %s', async (_, body, message) => {
    const response = await post(served.server, '/v1/completions', body, authorization);
    expect(response.status).toBe(400);
    expect(await errorOf(response)).toMatchObject({
      type: 'invalid_request_error',
      message: expect.stringContaining(message),
    });
  });

  it('is told that it is no JSON, and that there is no such path', async () => {
    const form = { ...authorization, 'content-type': 'application/x-www-form-urlencoded' };
    const response = await post(served.server, '/v1/completions', 'a=b', form);
    expect(response.status).toBe(415);
    expect((await errorOf(response)).message).toContain('content-type: application/json');
    const lost = await post(served.server, '/v1/edits', {}, authorization);
    expect(lost.status).toBe(404);
    expect((await errorOf(lost)).message).toBe('There is no POST /v1/edits here.');
  });

  it('needs the key, but for /healthz', async () => {
    const { url } = served.server;
    const wrong = await clientOf(served.server, 'wrong')
      .models.list()
      .catch((error) => error);
    expect(wrong).toBeInstanceOf(OpenAI.AuthenticationError);
    expect(wrong).toMatchObject({ status: 401, code: 'invalid_api_key' });
    for (const path of ['/metrics', '/v1/models', '/elsewhere'])
      expect((await fetch(`${url}${path}`)).status).toBe(401);
    expect((await post(served.server, '/v1/completions', asked)).status).toBe(401);
    expect(await (await fetch(`${url}/healthz`)).json()).toEqual({ status: 'ok' });
    expect((await clientOf(served.server, apiKey).models.list()).data).toHaveLength(1);
  });

  it('is told to come again where as many are under way as there may be, and is served afterwards', async () => {
    const answers = await Promise.all(
      Array.from({ length: 9 }, () => post(served.server, '/v1/completions', asked, authorization)),
    );
    const statuses = answers.map(({ status }) => status);
    expect(statuses.filter((status) => status === 200).length).toBeGreaterThanOrEqual(2);
    expect(new Set(statuses)).toEqual(new Set([200, 429]));
    const full = answers.find(({ status }) => status === 429)!;
    expect(full.headers.get('retry-after')).toBe('1');
    expect(await errorOf(full)).toMatchObject({ type: 'rate_limit_error', code: 'queue_full' });
    expect((await post(served.server, '/v1/completions', asked, authorization)).status).toBe(200);
  });
});

it('a client that goes away ends its text', async () => {
  const { port, url } = served.server;
  const body = JSON.stringify({ ...asked, max_tokens: 40, stream: true });
  const headers = { ...authorization, 'content-type': 'application/json' };
  const gone = request({ port, path: '/v1/completions', method: 'POST', headers }, (response) => {
    response.once('data', () => gone.destroy());
  });
  gone.on('error', () => {});
  gone.end(body);
  const wanted = /route="\/v1\/completions",status="499"\} 1$/m;
  const metrics = async () => (await fetch(`${url}/metrics`, { headers: authorization })).text();
  while (!wanted.test(await metrics())) await setTimeout(5);
  while (!/^diffora_requests_under_way 0$/m.test(await metrics())) await setTimeout(5);
});

describe('a server', () => {
  let folder: Awaited<ReturnType<typeof temporaryFolder>>;
  let letters: string;
  let usual: ServeOptions;
  beforeAll(async () => {
    folder = await temporaryFolder();
    letters = await writer(folder.path('letters'));
    usual = { model: letters, port: 0, threads: 1 };
    const adapter = await train(await loadModel(tinyModel), taskFromExamples(reviews), {
      ...quickTraining,
      method: 'lora',
    });
    for (const name of ['one', 'elsewhere/one', 'two']) await adapter.save(folder.path(name));
    await adapter.close();
  });
  afterAll(() => folder.remove());

  it('finishes what is under way when it is closed, and holds no session afterwards', async () => {
    const sessions = countSessions();
    const server = await serve(usual);
    const client = clientOf(server);
    const stream = await client.completions.create({ ...asked, max_tokens: 12, stream: true });
    let [pieces, finish, closing] = [0, '', undefined as Promise<void> | undefined];
    for await (const { choices } of stream) {
      closing ??= server.close();
      pieces++;
      finish = choices[0]!.finish_reason ?? finish;
    }
    await closing;
    await server.close();
    expect([finish, sessions.open]).toEqual(['length', 0]);
    expect(pieces).toBeGreaterThan(3);
    await expect(client.models.list()).rejects.toThrow('Connection error');
  });

  it('says that its port is in use, and that its host is none', async () => {
    await using server = await serve(usual);
    await expect(serve({ ...usual, port: server.port })).rejects.toThrow(
      `Port ${server.port} of 127.0.0.1 is in use. Give another with --port, or 0 for any that is free.`,
    );
    await expect(serve({ ...usual, host: '192.0.2.1' })).rejects.toThrow('192.0.2.1 is no address of this machine');
    const flags = ['--model', letters, '--threads', '1', '--port', String(server.port)];
    const { code, stderr } = await diffora('serve', ...flags);
    expect([code, stderr.includes('is in use')]).toEqual([1, true]);
  });

  it('warns where others can reach it without a key', async () => {
    const warnings: string[] = [];
    const reporter = { ...silent, warn: (line: string) => warnings.push(line) };
    const open = async (more: Partial<ServeOptions>) => (await serve({ ...usual, ...more, reporter })).close();
    await open({});
    await open({ host: '0.0.0.0', apiKey });
    expect(warnings).toEqual([]);
    await open({ host: '0.0.0.0' });
    expect(warnings).toEqual([expect.stringContaining('Whoever reaches 0.0.0.0 may use this server')]);
  });

  it('opens the base of its adapters once, and refuses two of one name or of several bases', async () => {
    await using server: RunningServer = await serve({
      adapters: ['one', 'two'].map((name) => folder.path(name)),
      port: 0,
      threads: 1,
    });
    expect(server.models).toEqual(['one', 'two']);
    const twice = [folder.path('one'), folder.path('elsewhere/one')];
    await expect(serve({ adapters: twice, port: 0 })).rejects.toThrow('would both be called one');
    await expect(serve({ port: 0 })).rejects.toThrow('Give --adapter or --model');
    await expect(serve({ ...usual, maxBatch: 0 })).rejects.toThrow('maxBatch is 0; it takes a whole number above 0');
    await expect(serve({ adapters: [folder.path('none')], port: 0 })).rejects.toThrow('Cannot open the adapter folder');
  });

  it('started by the command ends with exit code 0 on SIGTERM, its last text whole', async () => {
    const started = startDiffora('serve', '--model', letters, '--port', '0', '--threads', '1', '--api-key', apiKey);
    try {
      await started.says('Listening on ');
      const [, url] = /Listening on (\S+),/.exec(started.said.stderr)!;
      const client = new OpenAI({ baseURL: `${url}/v1`, apiKey, maxRetries: 0 });
      const stream = await client.completions.create({ ...asked, max_tokens: 12, stream: true });
      let finish = '';
      for await (const { choices } of stream) {
        if (finish === '') started.child.kill('SIGTERM');
        finish = choices[0]!.finish_reason ?? 'not yet';
      }
      expect(finish).toBe('length');
      expect(await started.ended).toMatchObject({ code: 0, stdout: 'closed\n' });
      expect(started.said.stderr).not.toContain(apiKey);
    } finally {
      started.child.kill('SIGKILL');
    }
  });
});
