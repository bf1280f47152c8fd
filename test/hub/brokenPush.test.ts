import { writeFile } from 'node:fs/promises';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, onTestFinished, vi } from 'vitest';
import { pushToHub } from '../../src/jobs/push/push.js';
import { diffora } from '../cli/run.js';
import { built, startNode } from '../cli/started.js';
import { until } from '../until.js';
import { adapterAndHub, repo, token, weights } from './pushed.js';

type Act = (request: IncomingMessage, response: ServerResponse) => void;

let hub: Awaited<ReturnType<typeof adapterAndHub>>['hub'];
let adapter: string;
let close: () => Promise<void>;
beforeEach(async () => {
  ({ hub, adapter, close } = await adapterAndHub());
  vi.stubEnv('HF_ENDPOINT', hub.endpoint);
  vi.stubEnv('HF_TOKEN', token);
});
afterEach(async () => {
  vi.unstubAllEnvs();
  await close();
});

/** @param stall short only where something is to stand still: a busy machine takes its time to answer */
const push = (stall = 60_000) => pushToHub({ adapter, repo, patience: { firstContact: 60_000, stall } });
/** What was asked of the storage since the last call. */
const stored = () =>
  hub.storage
    .splice(0)
    .map(({ method, part }) => `${method} ${part ?? 'whole'}`)
    .sort();

/** A second large file, which goes to the storage whole. */
const addOptimizer = () => writeFile(join(adapter, 'optimizer.bin'), Buffer.alloc(2_000, 7));

/** Does something with the third part of the weights once the file beside them has arrived. @returns resolves then */
function atThirdPart(act: Act): Promise<void> {
  return new Promise((reached) => {
    const whole = new Promise<void>((arrived) => {
      hub.intercept = (request, response) => {
        if (request.method !== 'PUT') return false;
        if (!/\/\d+\/\d+$/.test(request.url!)) response.on('finish', arrived);
        if (!request.url!.endsWith('/3')) return false;
        void whole.then(() => {
          act(request, response);
          reached();
        });
        return true;
      };
    });
  });
}

async function goesOn(): Promise<void> {
  hub.intercept = undefined;
  stored();
  const { sent } = await push();
  expect(sent).toEqual(['README.md', 'adapter_config.json', 'adapter_model.safetensors', 'optimizer.bin']);
  expect(stored()).toEqual(['POST whole', 'PUT 1', 'PUT 2', 'PUT 3']);
  const { files, commits } = hub.repositories[repo]!;
  expect(commits).toEqual(['main: Upload adapter with diffora']);
  expect(files['adapter_model.safetensors']!.equals(weights(2_000))).toBe(true);
  expect(files['optimizer.bin']!.equals(Buffer.alloc(2_000, 7))).toBe(true);
}

const silence = /no answer within 1.5 seconds/;
const storage = 'the storage that it names for large files answers with status';

describe('what has arrived is not sent again', () => {
  it.each<[what: string, act: Act, said: RegExp]>([
    ['breaks off', (request) => request.socket.destroy(), /Cannot reach http:\S+: .*(closed|terminated|RESET|EPIPE)/],
    ['takes the bytes and says nothing', (request) => void request.resume(), silence],
    ['takes no bytes', () => {}, silence],
    ['answers with 503', (_, response) => void response.writeHead(503).end(), new RegExp(`${storage} 503`)],
    ['answers with 403', (_, response) => void response.writeHead(403).end('<Error/>'), /storage .* with status 403/],
  ])('where the storage %s', async (_, act, said) => {
    await addOptimizer();
    void atThirdPart(act);
    const message = await push(said === silence ? 1_500 : undefined).then(String, String);
    expect(message).toMatch(said);
    expect(message).toContain('Nothing was committed');
    expect(message).not.toContain(token);
    expect(hub.repositories[repo]!.commits).toEqual([]);
    await goesOn();
  });

  it('after Ctrl-C to a process', async () => {
    await addOptimizer();
    const reached = atThirdPart(() => {});
    const args = [built('dist', 'cli', 'main.js'), 'push', '--adapter', adapter, '--repo', repo, '--json'];
    const { child, ended, says } = startNode(args, { env: process.env });
    onTestFinished(() => void child.kill('SIGKILL'));
    await says('upload (MB)');
    let isThere = false;
    void reached.then(() => {
      isThere = true;
    });
    await until(() => isThere, ended);
    child.kill('SIGINT');
    const { code, stdout, stderr } = await ended;
    expect(code, stderr).toBe(130);
    expect(stdout).not.toContain('"event":"result"');
    expect(stderr.trimEnd().split('\n').at(-1)).toBe(`Interrupted; ${repo} has all of the commit or nothing of it.`);
    expect(hub.repositories[repo]!.commits).toEqual([]);
    await goesOn();
  });
});

/** Steps before the commit, by what their paths have. */
const steps = {
  'the question for the repository': /\/revision\/HEAD/,
  'making the repository': /\/repos\/create$/,
  'the question for the branch': /\/revision\/main/,
  'the comparison of files': /\/paths-info\//,
  'what is large': /\/preupload\//,
  'where large files go': /\/objects\/batch$/,
};

describe.each(Object.entries(steps))('%s', (_, path) => {
  it.each([
    [401, /does not accept the token/],
    [403, /does not let this token write/],
    [429, /fewer requests \(status 429\)/],
    [400, /refuses to put this into me\/adapter \(status 400\) \(no, \*\*\*\)/],
    [500, /Cannot reach .* it answers with status 500/],
  ])('refused with %i is said in a sentence, and nothing is committed', async (status, sentence) => {
    hub.intercept = ({ url }, response) => {
      if (!path.test(url!)) return false;
      const body = JSON.stringify({ error: `no, ${token}` });
      response.writeHead(status, { 'content-type': 'application/json' }).end(body);
      return true;
    };
    const { code, stderr } = await diffora('push', '--adapter', adapter, '--repo', repo);
    expect(code).toBe(1);
    expect(stderr).toMatch(sentence);
    expect(stderr).not.toContain(token);
    expect(stderr).not.toContain('defect');
    expect(hub.repositories[repo]?.commits ?? []).toEqual([]);
    expect(stored().filter((one) => one.startsWith('PUT'))).toEqual([]);
  });
});

describe('--private', () => {
  it('refuses a repository that is there and public, and sends it nothing', async () => {
    expect((await diffora('push', '--adapter', adapter, '--repo', repo)).code).toBe(0);
    await writeFile(join(adapter, 'README.md'), '# Secret\n');
    stored();
    const asked = hub.requests.length;
    const { code, stderr } = await diffora('push', '--adapter', adapter, '--repo', repo, '--private');
    expect(code).toBe(1);
    expect(stderr).toContain(`${hub.endpoint}/${repo} is there and public`);
    expect(hub.requests.slice(asked)).toEqual([`GET /api/models/${repo}/revision/HEAD`]);
    expect(hub.repositories[repo]!.commits).toHaveLength(1);
  });

  it('goes on with a private one', async () => {
    expect((await diffora('push', '--adapter', adapter, '--repo', repo, '--private')).code).toBe(0);
    await writeFile(join(adapter, 'README.md'), '# Secret\n');
    expect((await diffora('push', '--adapter', adapter, '--repo', repo, '--private')).code).toBe(0);
    expect((await diffora('push', '--adapter', adapter, '--repo', repo)).stdout).toContain('nothing changed');
    expect(hub.repositories[repo]).toMatchObject({ isPrivate: true, commits: { length: 2 } });
  });
});
