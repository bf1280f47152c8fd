import { mkdir, mkdtemp, realpath, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { openCheckpoint } from '../../src/checkpoint/open.js';
import { writeSafetensors } from '../../src/checkpoint/safetensors-write.js';
import { failure } from './make.js';

let folder: string;
beforeEach(async () => {
  folder = await realpath(await mkdtemp(join(tmpdir(), 'diffora-open-')));
});
afterEach(async () => {
  await rm(folder, { recursive: true, force: true });
});

const one = (name: string) => [{ name, shape: [1], data: Float32Array.of(1) }];
const write = (name: string, text: string) => writeFile(join(folder, name), text);

it('opens config and tensors, with the real path of a linked weights file', async () => {
  await write('config.json', '{"model_type":"bert"}');
  await mkdir(join(folder, 'blobs'));
  await writeSafetensors(join(folder, 'blobs', 'abc'), one('w'), { format: 'pt' });
  await symlink(join('blobs', 'abc'), join(folder, 'model.safetensors'));
  const checkpoint = await openCheckpoint(folder, 'org/name');
  expect(checkpoint).toMatchObject({
    name: 'org/name',
    folder,
    config: { model_type: 'bert' },
    metadata: { format: 'pt' },
  });
  expect(checkpoint.tensors.get('w')!.file).toBe(join(folder, 'blobs', 'abc'));
});

it('opens the shards that an index names', async () => {
  await write('config.json', '{}');
  await writeSafetensors(join(folder, 'model-00001-of-00002.safetensors'), one('a'));
  await writeSafetensors(join(folder, 'model-00002-of-00002.safetensors'), one('b'));
  const map = { a: 'model-00001-of-00002.safetensors', b: 'model-00002-of-00002.safetensors' };
  await write('model.safetensors.index.json', JSON.stringify({ weight_map: map }));
  const { tensors } = await openCheckpoint(folder);
  expect([...tensors.keys()]).toEqual(['a', 'b']);
  expect(tensors.get('b')!.file).toBe(join(folder, map.b));
});

it.each<[string, Record<string, string>, RegExp]>([
  ['misses a tensor', { a: 's.safetensors', b: 's.safetensors' }, /lacks tensor "b"/],
  ['leaves a tensor out', { b: 's.safetensors' }, /holds tensor "a", which .* does not place there/],
  ['leads out of the folder', { a: '../s.safetensors' }, /placed in "..\/s.safetensors", which is not the name/],
  ['names a shard that is not there', { a: 'none.safetensors' }, /none.safetensors: no such file/],
  ['is empty', {}, /has no "weight_map"/],
])('refuses an index that %s', async (_, map, message) => {
  await write('config.json', '{}');
  await writeSafetensors(join(folder, 's.safetensors'), one('a'));
  await write('model.safetensors.index.json', JSON.stringify({ weight_map: map }));
  expect((await failure(openCheckpoint(folder))).message).toMatch(message);
});

it('says which files were looked for in a folder that is not a checkpoint', async () => {
  expect((await failure(openCheckpoint(folder))).message).toBe(
    `${folder} is not a model folder: it lacks both. Looked for config.json with model.safetensors or pytorch_model.bin (or their indexes), or a .gguf file.`,
  );
  await write('config.json', '{}');
  expect((await failure(openCheckpoint(folder))).message).toContain('it lacks model.safetensors.');
});

it('names a PEFT adapter, a TensorFlow folder, a file and a missing folder for what they are', async () => {
  await write('config.json', '{}');
  await write('tf_model.h5', '');
  expect((await failure(openCheckpoint(folder))).message).toMatch(/only as tf_model.h5, .* not supported. Convert/);
  await rm(join(folder, 'config.json'));
  await write('adapter_config.json', '{}');
  expect((await failure(openCheckpoint(folder))).message).toContain('is a PEFT adapter, not a model');
  expect((await failure(openCheckpoint(join(folder, 'tf_model.h5')))).message).toContain('is a file');
  expect((await failure(openCheckpoint(join(folder, 'none')))).message).toContain('no such file or folder');
});

it('refuses a config that is no JSON object', async () => {
  await writeSafetensors(join(folder, 'model.safetensors'), one('a'));
  await write('config.json', '{');
  expect((await failure(openCheckpoint(folder))).message).toContain(`${join(folder, 'config.json')} is not valid JSON`);
});
