import { mkdir, rename, rm, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { pushToHub } from '../../src/jobs/push/push.js';
import { diffora, resultOf, type temporaryFolder } from '../cli/run.js';
import { adapterAndHub, repo, token, weights } from './pushed.js';
import { newCommit, type PushHub } from './pushHub.js';

let folder: Awaited<ReturnType<typeof temporaryFolder>>;
let hub: PushHub;
let adapter: string;
let close: () => Promise<void>;
beforeEach(async () => {
  ({ folder, hub, adapter, close } = await adapterAndHub());
  vi.stubEnv('HF_ENDPOINT', hub.endpoint);
  vi.stubEnv('HF_TOKEN', token);
});
afterEach(async () => {
  vi.unstubAllEnvs();
  await close();
});
const push = (...flags: string[]) => diffora('push', '--adapter', adapter, '--repo', repo, ...flags);

describe('diffora push', () => {
  it('puts every byte on the hub as one commit, then says that nothing changed, then sends what did', async () => {
    const first = await push('--private', '--message', 'First', '--json');
    expect(first.code, first.stdout + first.stderr).toBe(0);
    const found = hub.repositories[repo]!;
    expect(found.isPrivate).toBe(true);
    expect(found.files['adapter_model.safetensors']!.equals(weights(2_000))).toBe(true);
    expect(found.files['README.md']!.toString()).toBe('# An adapter\n');
    expect(resultOf(first.stdout)).toMatchObject({ commit: found.branches.get('main'), sent: { length: 3 } });
    // The storage is another server, and is not told the token.
    expect(hub.storage.map(({ authorization }) => authorization)).toEqual(hub.storage.map(() => undefined));
    expect(hub.storage.filter(({ method }) => method === 'PUT').length).toBe(3);

    const again = await push();
    expect(again).toMatchObject({ code: 0, stdout: expect.stringContaining('nothing changed') });
    expect(found.commits).toEqual(['main: First']);

    await writeFile(join(adapter, 'README.md'), '# Mine adapter\n');
    expect(resultOf((await push('--json')).stdout).sent).toEqual(['README.md']);
    expect(found.commits).toEqual(['main: First', 'main: Upload adapter with diffora']);
    expect((await push('--revision', 'next')).stdout).toContain('nothing changed');
    expect(found.branches.get('next')).toBe(found.branches.get('main'));
  });

  it('asks nobody with --dry-run', async () => {
    const { code, stdout } = await push('--dry-run');
    expect(code).toBe(0);
    expect(stdout).toContain('adapter_model.safetensors');
    expect(stdout).toContain(`nothing was sent to ${repo}`);
    expect(hub.requests).toEqual([]);
  });

  it('puts the adapter of a run at the top beside run.json, and takes no link for it', async () => {
    const run = folder.path('run');
    await mkdir(run);
    await rename(adapter, join(run, 'adapter'));
    await writeFile(join(run, 'run.json'), '{}');
    const { files } = await pushToHub({ adapter: run, repo, dryRun: true });
    const names = ['README.md', 'adapter_config.json', 'adapter_model.safetensors', 'run.json'];
    expect(files.map(({ path }) => path)).toEqual(names);
    await rename(join(run, 'adapter'), adapter);
    await symlink(adapter, join(run, 'adapter'));
    await expect(pushToHub({ adapter: run, repo, dryRun: true })).rejects.toThrow('adapter is a link');
  });

  it('keeps the length of what it sends whole', async () => {
    const lengths: (string | undefined)[] = [];
    hub.intercept = ({ method, headers }) => {
      if (method === 'PUT') lengths.push(headers['content-length']);
      return false;
    };
    expect((await push()).code).toBe(0);
    expect(lengths.map(Number).reduce((a, b) => a + b)).toBe(weights(2_000).length);
  });

  it.each([
    [401, /does not accept the token/],
    [403, /does not let this token write/],
    [404, /has no me\/adapter/],
    [409, /Push again/],
    [429, /fewer requests/],
    [500, /The commit may have been made/],
  ])('says what a commit that is refused with %i means', async (status, sentence) => {
    hub.intercept = ({ url }, response) => {
      if (!url!.includes('/commit/')) return false;
      const body = JSON.stringify({ error: `no, ${token}` });
      response.writeHead(status, { 'content-type': 'application/json' }).end(body);
      return true;
    };
    const { code, stderr } = await push();
    expect(code).toBe(1);
    expect(stderr).toMatch(sentence);
    expect(stderr).not.toContain(token);
    expect(hub.repositories[repo]!.commits).toEqual([]);
  });

  it('makes no commit over one that came in between, of a changed file, or after Ctrl-C', async () => {
    const stop = new AbortController();
    let meanwhile: () => void = () => {};
    hub.intercept = ({ url }) => {
      if (url!.includes('/preupload/')) meanwhile();
      return false;
    };
    const pushing = () => pushToHub({ adapter, repo, signal: stop.signal });
    meanwhile = () => void hub.repositories[repo]!.branches.set('main', newCommit());
    await expect(pushing()).rejects.toThrow('made or changed meanwhile');
    meanwhile = () => void writeFile(join(adapter, 'README.md'), 'other');
    await expect(pushing()).rejects.toThrow('README.md was changed while it was pushed');
    meanwhile = () => stop.abort(new Error('Ctrl-C'));
    await expect(pushing()).rejects.toThrow('Ctrl-C');
    expect(hub.repositories[repo]!.commits).toEqual([]);
  });

  it('refuses before it asks the hub', async () => {
    expect(await diffora('push', '--adapter', folder.path('none'), '--repo', repo)).toMatchObject({ code: 1 });
    expect(await diffora('push', '--adapter', adapter, '--repo', 'adapter')).toMatchObject({ code: 2 });
    expect(await push('--revision', 'a..b')).toMatchObject({ code: 2 });
    const link = join(adapter, 'more.txt');
    await symlink('nowhere', link);
    expect((await push()).stderr).toContain('which is not there');
    await rm(link);
    await symlink('/etc/hostname', link);
    expect((await push()).stderr).toContain('out of the folder');
    await rm(link);
    vi.stubEnv('HF_TOKEN', '');
    vi.stubEnv('HF_HOME', folder.path('home'));
    expect((await push()).stderr).toContain('There is no token to push with');
    await rm(join(adapter, 'adapter_model.safetensors'));
    expect((await push()).stderr).toContain('nothing that is pushed');
    expect(hub.requests).toEqual([]);
  });
});
