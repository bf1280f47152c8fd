import { readdir, readFile } from 'node:fs/promises';
import { createServer, type RequestListener, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { DiffoError } from '../../src/errors.js';
import { type HubServer, startHub } from '../checkpoint/hub-server.js';
import { diffora, quickRun, temporaryFolder, writeReviews } from './run.js';

const token = 'hf_n3ver0seen0anywhere';
const keys = { WANDB_API_KEY: 'wandb-n3ver-seen', MLFLOW_TRACKING_TOKEN: 'mlflow-n3ver-seen' };
const secret = /n3ver/;

let folder: Awaited<ReturnType<typeof temporaryFolder>>;
let hub: HubServer;
const servers: Server[] = [];
beforeEach(async () => {
  folder = await temporaryFolder();
  hub = await startHub({ 'org/tiny': { files: { 'config.json': Buffer.from('{}') } } }, token);
  const environment = { HF_TOKEN: token, HF_ENDPOINT: hub.endpoint, HF_HOME: folder.path('hf'), ...keys };
  for (const [name, value] of Object.entries(environment)) vi.stubEnv(name, value);
  vi.stubEnv('HF_HUB_OFFLINE', undefined);
});
afterEach(async () => {
  vi.unstubAllEnvs();
  await hub.close();
  for (const server of servers.splice(0)) {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  }
  await folder.remove();
});

async function serve(listener: RequestListener): Promise<string> {
  const server = createServer(listener);
  servers.push(server);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return `127.0.0.1:${(server.address() as AddressInfo).port}`;
}

/** What a failing command writes. */
async function complaint(...args: string[]): Promise<string> {
  const { code, stdout, stderr } = await diffora(...args);
  expect(code, stderr).toBeGreaterThan(0);
  expect(stdout).toBe('');
  expect(stderr).not.toContain('defect of diffora');
  expect(stderr).not.toMatch(secret);
  return stderr;
}

describe('a token of the hub is not told', () => {
  it.each([401, 403, 404, 429, 500])('when the hub answers %i, and repeats it', async (status) => {
    hub.intercept = (request, response) => {
      const headers = { 'content-type': 'application/json', 'x-error-message': `${request.headers.authorization}` };
      response.writeHead(status, headers).end(JSON.stringify({ error: `No ${request.headers.authorization}` }));
      return true;
    };
    expect(await complaint('inspect', 'org/other', '--json')).toContain(hub.endpoint);
  });

  it('when the answer is none of a hub, and repeats it', async () => {
    hub.intercept = (request, response) => {
      response.writeHead(200, { 'content-type': 'application/json' }).end(`${request.headers.authorization}`);
      return true;
    };
    expect(await complaint('inspect', 'org/tiny')).toContain('its answer is not that of a hub');
  });

  it('when nobody answers', async () => {
    vi.stubEnv('HF_ENDPOINT', 'http://127.0.0.1:9');
    expect(await complaint('inspect', 'org/tiny')).toContain('cannot be reached');
  });

  it.each([`${token}\nmore`, `${token}“`, `${token} more`])(
    'when it is none that a header takes: %j',
    async (wrong) => {
      vi.stubEnv('HF_TOKEN', wrong);
      expect(await complaint('inspect', 'org/tiny')).toContain('HF_TOKEN is not a token of the hub');
    },
  );

  it('to a server that the hub sends to for what it says of a model', async () => {
    const told: (string | undefined)[] = [];
    const other = await serve((request, response) => {
      told.push(request.headers.authorization);
      response.writeHead(404).end();
    });
    hub.intercept = (request, response) => {
      response.writeHead(307, { location: `http://${other}${request.url}` }).end();
      return true;
    };
    await complaint('inspect', 'org/tiny');
    expect(told.length).toBeGreaterThan(0);
    expect(new Set(told)).toEqual(new Set([undefined]));
  });
});

it('a key that a library puts into its message is not told', () => {
  expect(new DiffoError(`No access with ${keys.WANDB_API_KEY} to https://user:pass@wandb.`).message).toBe(
    'No access with *** to https://***@wandb.',
  );
});

describe('a login in an address', () => {
  it('goes to the hub as a header, and is not told', async () => {
    vi.stubEnv('HF_TOKEN', undefined);
    const told: (string | undefined)[] = [];
    hub.intercept = (request, response) => {
      told.push(request.headers.authorization);
      response.writeHead(404).end();
      return true;
    };
    vi.stubEnv('HF_ENDPOINT', hub.endpoint.replace('//', '//user:n3ver%20told@'));
    expect(await complaint('inspect', 'org/tiny')).toContain(`${hub.endpoint} knows no model`);
    expect(told[0]).toBe(`Basic ${Buffer.from('user:n3ver told').toString('base64')}`);
  });

  it.each(['http://user:n3ver@127.0.0.1:9', 'http://user:n3ver@host:port', 'http://user:n3ver@[::'])(
    'is not told where %s leads nowhere',
    async (endpoint) => {
      vi.stubEnv('HF_ENDPOINT', endpoint);
      await complaint('inspect', 'org/tiny');
    },
  );
});

describe('a run', () => {
  beforeEach(() => writeReviews(folder.path('reviews.csv')));
  const run = (...more: string[]) => ['train', ...quickRun(folder.path('reviews.csv'), '--method', 'head'), ...more];

  it('writes no secret of the environment anywhere', async () => {
    const server = await serve((request, response) => {
      const isLater = request.url?.endsWith('/log-batch');
      const answer = { experiment: { experiment_id: '1' }, run: { info: { run_id: 'r' } }, you: request.headers };
      response.writeHead(isLater ? 500 : 200).end(JSON.stringify(isLater ? request.headers : answer));
    });
    vi.stubEnv('MLFLOW_TRACKING_URI', `http://user:n3ver@${server}`);
    const logs = ['--log', 'csv,tensorboard,mlflow', '--log-dir', folder.path('logs')];
    const refused = await complaint(...run(...logs, '--output', folder.path('refused')));
    expect(refused).toContain(`The MLflow server http://${server} answered 500`);
    const { code, stdout, stderr } = await diffora(
      ...run('--log', 'csv,tensorboard', '--log-dir', folder.path('logs'), '--json', '--output', folder.path('run')),
    );
    expect(code, stderr).toBe(0);
    expect(stdout + stderr).not.toMatch(secret);
    const names = await readdir(folder.path('.'), { recursive: true, withFileTypes: true });
    const files = names.filter((entry) => entry.isFile());
    expect(files.map(({ name }) => name)).toEqual(expect.arrayContaining(['run.json', 'scalars.csv', 'metrics.jsonl']));
    for (const { parentPath, name } of files) {
      expect(await readFile(`${parentPath}/${name}`, 'latin1'), name).not.toMatch(secret);
    }
  });

  it.each<[string, RequestListener, string]>([
    ['answers with no JSON', (_, response) => void response.end('<html>mlflow-n3ver-seen'), 'with something else'],
    [
      'breaks off',
      (_, response) => void response.writeHead(200, { 'content-length': '9' }).end('{', () => response.destroy()),
      'broke its answer off',
    ],
  ])('says what is wrong when the MLflow server %s', async (_, listener, message) => {
    vi.stubEnv('MLFLOW_TRACKING_URI', `http://${await serve(listener)}`);
    expect(await complaint(...run('--log', 'mlflow', '--output', folder.path('run')))).toContain(message);
  });

  it('refuses an MLflow token that no header takes without telling it', async () => {
    vi.stubEnv('MLFLOW_TRACKING_URI', 'http://127.0.0.1:9');
    vi.stubEnv('MLFLOW_TRACKING_TOKEN', 'n3ver\nseen“');
    expect(await complaint(...run('--log', 'mlflow', '--output', folder.path('run')))).toContain(
      'MLFLOW_TRACKING_TOKEN',
    );
  });
});
