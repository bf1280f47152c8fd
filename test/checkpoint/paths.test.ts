import { cp, mkdir, mkdtemp, readdir, readFile, realpath, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { manifestChecksum } from '../../src/artifacts/checkpoints/format.js';
import { newestCheckpoint } from '../../src/artifacts/checkpoints/read.js';
import { openCheckpoint } from '../../src/checkpoint/open.js';
import { resolveModel } from '../../src/checkpoint/resolve.js';
import { readTorchFile } from '../../src/checkpoint/torchFile.js';
import { oraclePath } from '../fixtures.js';
import { COMMIT, startHub } from './hub-server.js';
import { failure } from './make.js';

let folder: string;
beforeEach(async () => {
  folder = await realpath(await mkdtemp(join(tmpdir(), 'diffora-paths-')));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

const cached = (...parts: string[]) => join(folder, 'hf', 'hub', 'models--org--tiny', ...parts);
const options = (env: Record<string, string> = { HF_HUB_OFFLINE: '1' }) => ({
  log: () => {},
  warn: () => {},
  env: { PATH: '', HOME: folder, HF_HOME: join(folder, 'hf'), ...env },
});

/** A model in the cache as Python writes it: blobs, and links to them. */
async function writeSnapshot(): Promise<string> {
  const snapshot = cached('snapshots', COMMIT);
  for (const one of [snapshot, cached('refs'), cached('blobs')]) await mkdir(one, { recursive: true });
  await writeFile(cached('refs', 'main'), COMMIT);
  for (const name of ['config.json', 'model.safetensors', 'tokenizer.json']) {
    await writeFile(cached('blobs', name), '{}');
    await symlink(join('..', '..', 'blobs', name), join(snapshot, name));
  }
  return snapshot;
}

describe('a shard index', () => {
  it.each([
    '../model.safetensors',
    '/etc/model.safetensors',
    'a/../../b.safetensors',
    '..\\b.safetensors',
    '.',
    'C:a.bin',
  ])('may not name %j', async (name) => {
    const model = join(folder, 'model');
    await mkdir(model);
    await writeFile(join(model, 'config.json'), '{}');
    await writeFile(join(model, 'model.safetensors.index.json'), JSON.stringify({ weight_map: { a: name } }));
    const error = await failure(openCheckpoint(model));
    expect(error.message).toContain(`${JSON.stringify(name)}, which is not the name of a weights file`);
  });
});

describe('a snapshot in the cache', () => {
  it('has links to its blobs', async () => {
    const snapshot = await writeSnapshot();
    expect((await resolveModel('org/tiny', options())).folder).toBe(snapshot);
  });

  it('may lie on another disk as a whole', async () => {
    await writeSnapshot();
    await cp(join(folder, 'hf'), join(folder, 'elsewhere'), { recursive: true, verbatimSymlinks: true });
    await rm(join(folder, 'hf'), { recursive: true });
    await symlink(join(folder, 'elsewhere'), join(folder, 'hf'));
    expect((await resolveModel('org/tiny', options())).source).toBe('cache');
  });

  it.each<[string, string, string]>([
    ['a file elsewhere, in full', 'special_tokens_map.json', '/etc/passwd'],
    ['a file elsewhere, by ..', 'config.json', '../../../../../secret'],
    ['a file of another model', 'tokenizer.json', '../../../models--org--other/blobs/x'],
    ['a folder elsewhere', '1_Pooling', '../../../../..'],
  ])('may not have a link to %s', async (_, name, target) => {
    const snapshot = await writeSnapshot();
    await writeFile(join(folder, 'secret'), 'secret');
    await mkdir(join(folder, 'hf', 'hub', 'models--org--other', 'blobs'), { recursive: true });
    await writeFile(join(folder, 'hf', 'hub', 'models--org--other', 'blobs', 'x'), '');
    await rm(join(snapshot, name), { force: true });
    await symlink(target, join(snapshot, name));
    const { message } = await failure(resolveModel('org/tiny', options()));
    expect(message).toContain(`${join(snapshot, name)} is a link to `);
    expect(message).toContain('out of its repository in the cache. Remove the link.');
  });

  it('of a user, who links as he likes, is his own matter', async () => {
    const model = join(folder, 'model');
    await mkdir(model);
    for (const name of ['config.json', 'model.safetensors']) {
      await symlink(oraclePath('tiny-bert-backbone', name), join(model, name));
    }
    expect((await openCheckpoint(model)).tensors.size).toBeGreaterThan(0);
  });
});

describe('the files that a hub lists', () => {
  it.each(['../../../../../evil.gguf', '/evil.gguf', 'a/../../b.gguf', '..\\evil.gguf', './evil.gguf'])(
    'are not fetched to %j',
    async (name) => {
      const hub = await startHub({ 'org/tiny': { files: { [name]: Buffer.from('evil') } } });
      try {
        const error = await failure(resolveModel('org/tiny', options({ HF_ENDPOINT: hub.endpoint })));
        expect(error.message).toContain('whose name leads out of its folder');
        const written = await readdir(folder, { recursive: true });
        expect(written.filter((path) => path.endsWith('.gguf'))).toEqual([]);
      } finally {
        await hub.close();
      }
    },
  );

  it('are not written through a link that leads out of the cache', async () => {
    const hub = await startHub({ 'org/tiny': { files: { 'sub/a.gguf': Buffer.from('a') } } });
    try {
      await mkdir(join(folder, 'outside'));
      await mkdir(cached('snapshots', COMMIT), { recursive: true });
      await symlink(join(folder, 'outside'), cached('snapshots', COMMIT, 'sub'));
      const error = await failure(resolveModel('org/tiny', options({ HF_ENDPOINT: hub.endpoint })));
      expect(error.message).toContain('out of its repository in the cache');
      expect(await readdir(join(folder, 'outside'))).toEqual([]);
    } finally {
      await hub.close();
    }
  });
});

it('entries of a PyTorch archive whose names lead elsewhere are read from the archive alone', async () => {
  const whole = (await readFile(oraclePath('checkpoints', 'torch.bin'))).toString('latin1');
  const prefix = /([\w.]+\/)data\.pkl/.exec(whole)![1]!;
  const path = join(folder, 'torch.bin');
  await writeFile(path, whole.replaceAll(prefix, `..${'\\'.repeat(prefix.length - 3)}/`), 'latin1');
  const { tensors } = await readTorchFile(path);
  expect([...new Set([...tensors.values()].map(({ file }) => file))]).toEqual([path]);
});

it('a manifest of a checkpoint may name its own two files only', async () => {
  const checkpoint = join(folder, 'checkpoints', 'step-1');
  await mkdir(checkpoint, { recursive: true });
  const sha256 = '0'.repeat(64);
  const manifest = {
    format: 'diffora-checkpoint/2',
    command: 'train',
    step: 1,
    versions: {},
    config: {},
    identity: {},
  };
  const own = { ...manifest, files: [{ name: '../../../secret', bytes: 3, sha256 }] };
  await writeFile(join(checkpoint, 'manifest.json'), JSON.stringify({ ...own, checksum: manifestChecksum(own) }));
  const error = await failure(newestCheckpoint(join(folder, 'checkpoints'), () => {}));
  expect(error.message).toContain('manifest.json is damaged: files[0].name is');
});
