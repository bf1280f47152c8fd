import { mkdir, mkdtemp, realpath, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
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
  ['leads out of the folder', { a: '../s.safetensors' }, /placed in "..\/s.safetensors", which is not the name/],
  [
    'names a shard that is not there',
    { a: 's.safetensors', b: 'none.safetensors' },
    /the shard none.safetensors is not there, of the 2 that model.safetensors.index.json names/,
  ],
  [
    'names shards that are not there',
    { a: 's.safetensors', b: 'none.safetensors', c: 'neither.safetensors' },
    /2 shards are not there \(neither.safetensors, none.safetensors\), of the 3/,
  ],
  ['is empty', {}, /has no "weight_map"/],
])('refuses an index that %s', async (_, map, message) => {
  await write('config.json', '{}');
  await writeSafetensors(join(folder, 's.safetensors'), one('a'));
  await write('model.safetensors.index.json', JSON.stringify({ weight_map: map }));
  expect((await failure(openCheckpoint(folder))).message).toMatch(message);
});

// transformers takes the names of the files from the index, and those of the tensors from the files.
it.each<[string, Record<string, string>, string]>([
  [
    'names a tensor that is not there',
    { a: 's.safetensors', b: 's.safetensors' },
    'model.safetensors.index.json names 1 tensors that no shard holds: b in s.safetensors.',
  ],
  [
    'leaves a tensor out',
    { b: 's.safetensors' },
    '1 tensors lie where model.safetensors.index.json does not place them: a in s.safetensors.',
  ],
])('opens the tensors of the shards where the index %s, and says so', async (_, map, note) => {
  await write('config.json', '{}');
  await writeSafetensors(join(folder, 's.safetensors'), one('a'));
  await write('model.safetensors.index.json', JSON.stringify({ weight_map: map }));
  const { tensors, notes } = await openCheckpoint(folder);
  expect([...tensors.keys()]).toEqual(['a']);
  expect(notes).toContain(note);
});

it('refuses two shards with one tensor', async () => {
  await write('config.json', '{}');
  for (const shard of ['1', '2']) await writeSafetensors(join(folder, `${shard}.safetensors`), one('a'));
  const map = { a: '1.safetensors', b: '2.safetensors' };
  await write('model.safetensors.index.json', JSON.stringify({ weight_map: map }));
  await expect(openCheckpoint(folder)).rejects.toThrow('1.safetensors and 2.safetensors both hold the tensor "a"');
});

it('names shards without their index', async () => {
  await write('config.json', '{}');
  await writeSafetensors(join(folder, 'model-00001-of-00002.safetensors'), one('a'));
  await expect(openCheckpoint(folder)).rejects.toThrow(
    'holds shards (model-00001-of-00002.safetensors, …) without their index',
  );
});

describe('names that a wrapper of PyTorch has changed', () => {
  const opened = async (...names: string[]) => {
    await write('config.json', '{}');
    await writeSafetensors(join(folder, 'model.safetensors'), names.flatMap(one));
    return openCheckpoint(folder);
  };

  it.each([
    ['torch.compile', ['_orig_mod.a.weight', '_orig_mod.b.weight'], 'torch.compile (_orig_mod.) saves them'],
    ['torch.compile of a part', ['a.weight', 'b._orig_mod.weight'], 'torch.compile (_orig_mod.) saves them'],
    ['DataParallel', ['module.a.weight', 'module.b.weight'], 'DataParallel (module.) saves them'],
    ['both', ['module._orig_mod.a.weight', 'module._orig_mod.b.weight'], 'and DataParallel (module.) saves them'],
  ])('are read as the model has them, with a word on it: %s', async (_, names, note) => {
    const { tensors, notes } = await opened(...names);
    expect([...tensors.keys()].map((name) => name.replace('.weight', ''))).toEqual(['a', 'b']);
    expect([...tensors.values()].map(({ name }) => name)).toEqual([...tensors.keys()]);
    expect(notes).toEqual([expect.stringContaining(note)]);
  });

  it('are left alone where only some begin so', async () => {
    const { tensors, notes } = await opened('module.a', 'b');
    expect([...tensors.keys()]).toEqual(['b', 'module.a']);
    expect(notes).toEqual([]);
  });

  it('are refused where a tensor has both names', async () => {
    await expect(opened('_orig_mod.a', 'a')).rejects.toThrow('hold "a" twice, once under a wrapper\'s name');
  });
});

describe('a folder of sentence-transformers', () => {
  const modules = (...types: string[]) =>
    write(
      'modules.json',
      JSON.stringify(
        types.map((type, idx) => ({ idx, path: `${idx}_${type}`, type: `sentence_transformers.models.${type}` })),
      ),
    );

  it('is opened where its transformer lies', async () => {
    await modules('Transformer', 'Pooling');
    const inner = join(folder, '0_Transformer');
    await mkdir(inner);
    await write(join('0_Transformer', 'config.json'), '{"model_type":"bert"}');
    await writeSafetensors(join(inner, 'model.safetensors'), one('w'));
    const checkpoint = await openCheckpoint(folder);
    expect(checkpoint).toMatchObject({ folder: inner, config: { model_type: 'bert' } });
    expect(checkpoint.notes).toEqual([expect.stringContaining(`its transformer is opened alone, from ${inner}`)]);
  });

  it('that holds no transformer is refused by what it holds', async () => {
    await modules('WordEmbeddings', 'Pooling');
    await expect(openCheckpoint(folder)).rejects.toThrow(
      'names no transformer among its modules (WordEmbeddings, Pool',
    );
  });
});

describe('a quantised checkpoint is named as what it is', () => {
  it.each<[string, object, string]>([
    ['GPTQ', { quantization_config: { quant_method: 'gptq', bits: 4 } }, 'quantization_config says .* by GPTQ'],
    ['AWQ', { quantization_config: { quant_method: 'awq' } }, 'by AWQ'],
    ['bitsandbytes', { quantization_config: { quant_method: 'bitsandbytes', load_in_4bit: true } }, 'by bitsandbytes'],
    ['FP8', { quantization_config: { quant_method: 'fp8' } }, 'by FP8'],
    ['another', { quantization_config: { quant_method: 'fancy' } }, 'by fancy'],
    ['unnamed', { quantization_config: { load_in_8bit: true } }, 'by a method that it does not name'],
    ['MLX', { quantization: { group_size: 64, bits: 4 } }, 'quantization says .* by MLX.*mlx_lm.convert'],
  ])('%s', async (_, config, message) => {
    await write('config.json', JSON.stringify(config));
    // Types of these formats need not even be readable.
    await write('model.safetensors', '');
    expect((await failure(openCheckpoint(folder))).message).toMatch(new RegExp(message));
  });

  it('but not one whose settings say that it is not', async () => {
    await write('config.json', '{"quantization_config": null}');
    await writeSafetensors(join(folder, 'model.safetensors'), one('a'));
    expect((await openCheckpoint(folder)).tensors.size).toBe(1);
  });
});

it('refuses a folder that is both a model and an adapter, of which transformers loads the adapter', async () => {
  await write('config.json', '{}');
  await writeSafetensors(join(folder, 'model.safetensors'), one('a'));
  await write('adapter_config.json', '{}');
  await expect(openCheckpoint(folder)).rejects.toThrow('holds a model and a PEFT adapter (adapter_config.json)');
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
