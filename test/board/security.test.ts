import { once } from 'node:events';
import { mkdir, symlink, writeFile } from 'node:fs/promises';
import { type ClientRequest, request } from 'node:http';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openBoard, type RunningBoard } from '../../src/board/board.js';
import { temporaryFolder } from '../cli/run.js';
import { built } from '../cli/started.js';
import { call, read } from './call.js';

let folder: Awaited<ReturnType<typeof temporaryFolder>>;
let board: RunningBoard;
const markup = '<img src=x onerror=alert(1)>';
const record = {
  format: 'diffora-run/1',
  command: 'train',
  config: { method: 'lora', seed: 1 },
  task: markup,
  model: { name: markup, folder: '/', family: 'bert' },
  seconds: { total: 1 },
  peakMemoryBytes: 1,
};

beforeAll(async () => {
  folder = await temporaryFolder();
  await mkdir(folder.path('runs', 'one', 'adapter'), { recursive: true });
  await writeFile(folder.path('runs', 'one', 'run.json'), JSON.stringify(record));
  await writeFile(folder.path('runs', 'one', 'adapter', 'README.md'), `# ${markup}`);
  await writeFile(folder.path('secret.txt'), 'nobody reads this');
  await mkdir(folder.path('outside'));
  await writeFile(folder.path('outside', 'run.json'), JSON.stringify(record));
  await symlink(folder.path('outside'), folder.path('runs', 'led'));
  await symlink(folder.path('secret.txt'), folder.path('runs', 'one', 'secret.txt'));
  board = await openBoard({ folders: [folder.path('runs')], page: built('dist', 'board', 'page') });
});
afterAll(async () => {
  await board.close();
  await folder.remove();
});

const own = () => ({ host: `127.0.0.1:${board.port}` });

describe('who may ask', () => {
  it('refuses whoever has no token, or another', async () => {
    for (const path of ['/', '/api/board', '/api/events', '/api/run?id=0/one', '/nowhere']) {
      expect((await call(board, path, { isStranger: true })).status, path).toBe(401);
      const wrong = { headers: { authorization: `Bearer ${'x'.repeat(32)}` }, isStranger: true };
      expect((await call(board, path, wrong)).status, path).toBe(401);
    }
    const { status, text } = await call(board, '/', { isStranger: true, headers: { accept: 'text/html' } });
    expect([status, text.includes(board.token)]).toEqual([401, false]);
    expect(text).toContain('Open the link');
    expect((await call(board, '/?token=wrong', { isStranger: true })).status).toBe(401);
  });

  it('takes the token of the link into a cookie that no script reads and no other site sends', async () => {
    const { status, headers } = await call(board, `/?token=${board.token}`, { isStranger: true });
    expect([status, headers.location]).toEqual([302, '/']);
    const cookie = String(headers['set-cookie']);
    expect(cookie).toMatch(/; HttpOnly; SameSite=Strict; Path=\/$/);
    const { status: known } = await call(board, '/', { isStranger: true, headers: { cookie: cookie.split(';')[0]! } });
    expect(known).toBe(200);
  });

  it('refuses other origins and sites, with the token too', async () => {
    for (const headers of [
      { origin: 'https://evil.example' },
      { origin: 'null' },
      { origin: `http://127.0.0.1:${board.port + 1}` },
      { origin: `https://127.0.0.1:${board.port}` },
      { 'sec-fetch-site': 'cross-site', 'sec-fetch-mode': 'no-cors' },
    ]) {
      const { status, text } = await call(board, '/api/board', { headers });
      expect([status, JSON.parse(text).error.code], JSON.stringify(headers)).toEqual([403, 'wrong_origin']);
    }
    const { status } = await call(board, '/api/board', { headers: { origin: `http://127.0.0.1:${board.port}` } });
    expect(status).toBe(200);
  });

  it('refuses a name that was made to lead here (DNS rebinding)', async () => {
    for (const host of ['evil.example', `evil.example:${board.port}`, '127.0.0.1', `127.0.0.1:${board.port + 1}`]) {
      const { status, text } = await call(board, '/api/board', { headers: { host } });
      expect([status, JSON.parse(text).error.code], host).toEqual([403, 'wrong_host']);
    }
    for (const host of [`localhost:${board.port}`, own().host]) {
      expect((await call(board, '/api/board', { headers: { host } })).status).toBe(200);
    }
  });

  it('lets nothing in from elsewhere, and nobody frame it', async () => {
    const { headers } = await call(board, '/');
    expect(headers).toMatchObject({
      'x-content-type-options': 'nosniff',
      'referrer-policy': 'no-referrer',
      'cross-origin-resource-policy': 'same-origin',
    });
    const policy = String(headers['content-security-policy']);
    expect(policy).toContain("default-src 'none'; script-src 'self'; style-src 'self';");
    expect(policy).toContain("frame-ancestors 'none'");
    expect(policy).not.toContain('unsafe');
    expect(policy).not.toMatch(/https?:/);
    expect(headers['access-control-allow-origin']).toBeUndefined();
  });
});

describe('what may be read', () => {
  it('refuses paths that lead out of the folder', async () => {
    const paths = [
      ['0/one', '../../secret.txt'],
      ['0/one', '..\\..\\secret.txt'],
      ['0/one', folder.path('secret.txt')],
      ['0/one', 'C:\\secret.txt'],
      ['0/one', 'secret.txt'],
      ['0/one', 'adapter/README.md\0'],
      ['0/..', 'secret.txt'],
      ['0/one/../..', 'secret.txt'],
      [`0/${folder.path()}`, 'secret.txt'],
      ['0/led', 'run.json'],
      ['7/one', 'run.json'],
      ['-1/one', 'run.json'],
      ['one', 'run.json'],
      ['', 'run.json'],
    ];
    for (const [id, path] of paths) {
      const query = new URLSearchParams({ id: id!, path: path! });
      const { status, text } = await call(board, `/api/file?${query}`);
      expect(status, `${id} ${path}`).toBeGreaterThanOrEqual(400);
      expect(status, `${id} ${path}`).toBeLessThan(500);
      expect(text).not.toContain('nobody reads this');
    }
    for (const path of [
      '/../secret.txt',
      '/assets/../../../secret.txt',
      '/%2e%2e/secret.txt',
      `/${folder.path('secret.txt')}`,
    ]) {
      expect((await call(board, path)).status, path).toBe(404);
    }
    const report = new URLSearchParams({ id: '0/../outside' });
    expect((await call(board, `/api/report?${report}`)).status).toBe(400);
  });

  it('follows no link out of the folder', async () => {
    const { runs } = await read(board, '/api/board');
    expect(runs.map(({ id }: { id: string }) => id)).toEqual(['0/one']);
    const { files } = await read(board, '/api/run?id=0/one');
    expect(files.map(({ path }: { path: string }) => path)).toEqual(['adapter/README.md', 'run.json']);
    expect((await call(board, '/api/run?id=0/led')).status).toBe(404);
  });

  it('gives files as plain text in which nothing may act', async () => {
    const { status, headers, text } = await call(board, '/api/file?id=0/one&path=adapter/README.md');
    expect([status, text]).toEqual([200, `# ${markup}`]);
    expect(headers['content-type']).toBe('text/plain; charset=utf-8');
    expect(headers['content-security-policy']).toMatch(/default-src 'none'.*sandbox/);
  });
});

describe('how much may be asked', () => {
  it('refuses a body of a gigabyte before it has come', async () => {
    const asked = request({
      host: '127.0.0.1',
      port: board.port,
      path: '/api/run',
      method: 'POST',
      headers: { authorization: `Bearer ${board.token}`, 'content-type': 'application/json', 'content-length': 1e9 },
    });
    asked.on('error', () => {});
    asked.write('[');
    const [answer] = (await once(asked, 'response')) as [{ statusCode: number }];
    expect(answer.statusCode).toBeGreaterThanOrEqual(400);
    asked.destroy();
  });

  it('holds 500 event streams to as many as it takes, and goes on answering', async () => {
    const asked: ClientRequest[] = [];
    const statuses = await Promise.all(
      Array.from({ length: 500 }, async () => {
        const one = request({
          host: '127.0.0.1',
          port: board.port,
          path: '/api/events',
          headers: { authorization: `Bearer ${board.token}` },
        });
        one.on('error', () => {});
        asked.push(one);
        one.end();
        const [answer] = (await once(one, 'response')) as [{ statusCode: number }];
        return answer.statusCode;
      }),
    );
    expect(statuses.filter((status) => status === 200)).toHaveLength(32);
    expect(statuses.filter((status) => status === 429)).toHaveLength(468);
    expect((await call(board, '/api/board')).status).toBe(200);
    for (const one of asked) one.destroy();
  });
});

it('does nothing with --read-only', async () => {
  await using shown = await openBoard({
    folders: [folder.path('runs')],
    isReadOnly: true,
    page: built('dist', 'board', 'page'),
  });
  for (const method of ['POST', 'PUT', 'PATCH', 'DELETE']) {
    const { status, text } = await call(shown, '/api/board', { method });
    expect([status, JSON.parse(text).error.code], method).toEqual([403, 'read_only']);
  }
  expect(await read(shown, '/api/board')).toMatchObject({ isReadOnly: true });
});
