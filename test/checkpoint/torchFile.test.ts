import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { cp, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openCheckpoint } from '../../src/checkpoint/open.js';
import { readTensor, readTensorBytes } from '../../src/checkpoint/safetensors.js';
import { readTorchFile } from '../../src/checkpoint/torchFile.js';
import { unpickle } from '../../src/checkpoint/unpickle.js';
import { oraclePath, readOracle } from '../fixtures.js';
import { hasShared, sharedDir } from '../shared.js';

const file = (name: string) => oraclePath('checkpoints', name);

let scratch: string;
beforeAll(async () => {
  scratch = await mkdtemp(join(tmpdir(), 'diffora-torch-'));
});
afterAll(() => rm(scratch, { recursive: true }));

describe('a PyTorch file', () => {
  it.each(['torch.bin', 'wrapped.bin'])('%s: gives the tensors that torch saved, in place', async (name) => {
    const oracle = await readOracle<Record<string, string>>('checkpoints/torch');
    const { tensors } = await readTorchFile(file(name));
    expect([...tensors.keys()].sort()).toEqual(Object.keys(oracle.description).sort());
    for (const [key, tensor] of tensors) {
      const expected = oracle.at(key);
      expect(tensor.shape, key).toEqual(expected.shape);
      expect(tensor.file).toBe(file(name));
      if (tensor.dtype === 'I64') {
        const bytes = await readTensorBytes(tensor);
        expect(Array.from(new BigInt64Array(bytes.buffer), Number)).toEqual(Array.from(expected.data, Number));
      } else expect(await readTensor(tensor), key).toEqual(expected.data);
    }
    expect(tensors.get('half')!.dtype).toBe('F16');
    expect(tensors.get('bfloat16')!.dtype).toBe('BF16');
  });

  it.skipIf(!hasShared('models/roberta_base_lora_mnli'))('of the LoRA authors has its 52 tensors', async () => {
    const expected = JSON.parse(await readFile(file('roberta-lora.json'), 'utf8')) as Record<string, unknown>;
    const { tensors } = await readTorchFile(sharedDir('models/roberta_base_lora_mnli/roberta_base_lora_mnli.bin'));
    expect(tensors.size).toBe(52);
    const found = [...tensors.values()].map(async (tensor) => {
      const sha256 = createHash('sha256')
        .update(await readTensorBytes(tensor))
        .digest('hex');
      return [tensor.name, { shape: tensor.shape, sha256 }] as const;
    });
    expect(Object.fromEntries(await Promise.all(found))).toEqual(expected);
  });

  it('of a big-endian machine is refused', async () => {
    const path = join(scratch, 'big.bin');
    const bytes = await readFile(file('torch.bin'));
    bytes.write('big   ', bytes.indexOf('little'));
    await writeFile(path, bytes);
    await expect(readTorchFile(path)).rejects.toThrow('was written on a big-endian machine');
  });

  it('of the time before 1.6 is refused with a sentence', async () => {
    await expect(readTorchFile(file('old.bin'))).rejects.toThrow(/format from before version 1\.6.*torch\.save/);
  });

  it('with a tensor that does not lie in one piece is refused by name', async () => {
    await expect(readTorchFile(file('turned.bin'))).rejects.toThrow(/tensor "turned" does not lie in one piece/);
  });

  it.each([
    ['negated', 'whose values are yet to be negated or conjugated'],
    ['sparse', 'it holds a sparse tensor: save `.to_dense()`'],
    ['float8', 'it holds a tensor of a type such as float8'],
    ['complex', 'it holds a tensor of complex numbers'],
    ['meta', 'it holds a tensor without values'],
    ['expanded', 'tensor "odd" does not lie in one piece (shape [2,3], strides [3,0])'],
    ['module', 'it holds a whole module: save `.state_dict()`'],
  ])('with what is no plain tensor is refused as what it is: %s', async (name, message) => {
    await expect(readTorchFile(file(`odd-${name}.bin`))).rejects.toThrow(message);
  });

  it('gives each tensor its part of a storage that several share', async () => {
    const { tensors } = await readTorchFile(file('shared.bin'));
    const read = async (name: string) => [...(await readTensor(tensors.get(name)!))];
    expect(await read('first')).toEqual([1, 2, 3, 4, 5, 6]);
    expect(await read('again')).toEqual([1, 2, 3, 4, 5, 6]);
    expect(await read('second row')).toEqual([4, 5, 6]);
  });

  it('that is something else is refused', async () => {
    const path = join(scratch, 'text.bin');
    await writeFile(path, 'hello');
    await expect(readTorchFile(path)).rejects.toThrow('is not a PyTorch file');
  });
});

describe('a folder with pytorch_model.bin', () => {
  it('opens like one with safetensors', async () => {
    const folder = join(scratch, 'folder');
    await cp(file('torch.bin'), join(folder, 'pytorch_model.bin'));
    await writeFile(join(folder, 'config.json'), '{"model_type": "bert"}');
    const { tensors } = await openCheckpoint(folder);
    expect(tensors.get('whole')!.shape).toEqual([6, 4]);
  });

  it('opens in shards', async () => {
    const folder = join(scratch, 'shards');
    const shard = 'pytorch_model-00001-of-00001.bin';
    await cp(file('torch.bin'), join(folder, shard));
    await writeFile(join(folder, 'config.json'), '{}');
    const names = [...(await readTorchFile(file('torch.bin'))).tensors.keys()];
    const index = { weight_map: Object.fromEntries(names.map((name) => [name, shard])) };
    await writeFile(join(folder, 'pytorch_model.bin.index.json'), JSON.stringify(index));
    expect((await openCheckpoint(folder)).tensors.size).toBe(names.length);
  });
});

/** Bytes of a pickle: opcodes as characters, names and texts spelt out. */
const pickle = (text: string) => Uint8Array.from(text, (letter) => letter.charCodeAt(0));
const short = (text: string) => `\x8c${String.fromCharCode(text.length)}${text}`;

describe('a pickle that would run code', () => {
  const trace = join(tmpdir(), `diffora-trace-${process.pid}`);
  const command = short(`touch ${trace}`);
  it.each([
    ['os.system by GLOBAL and REDUCE', `\x80\x02cos\nsystem\n${command}\x85R.`],
    ['posix.system by STACK_GLOBAL', `\x80\x04${short('posix')}${short('system')}\x93${command}\x85R.`],
    ['builtins.eval', `\x80\x02cbuiltins\neval\n${short('1')}\x85R.`],
    ['subprocess.Popen by INST', `\x80\x02(${command}isubprocess\nPopen\n.`],
    ['os.system by OBJ', `\x80\x02(cos\nsystem\n${command}o.`],
    ['a class by NEWOBJ', '\x80\x02cos\n_wrap_close\n)\x81.'],
    ['a class by NEWOBJ_EX', '\x80\x04cos\n_wrap_close\n)}\x92.'],
    ['an extension by EXT1', '\x80\x02\x82\x01.'],
    ['state set by BUILD', '\x80\x02ccollections\nOrderedDict\n)Rccollections\nOrderedDict\nb.'],
    ['state set on a global', '\x80\x02ccollections\nOrderedDict\n}b.'],
    ['a persistent id of another kind', `\x80\x02${short('module')}Q.`],
    ['a text as function', `\x80\x02${command})R.`],
    ['getattr as torch allows it', '\x80\x02c__builtin__\ngetattr\n.'],
    ['an OrderedDict with a start value', `\x80\x02ccollections\nOrderedDict\n${command}\x85R.`],
  ])('is refused: %s', (_, text) => {
    expect(() => unpickle(pickle(text))).toThrow(
      /refused|no part of a checkpoint|no checkpoint of tensors|not understood|no storage/,
    );
    expect(existsSync(trace)).toBe(false);
  });

  it('ends with a list that holds itself', () => {
    const value = unpickle(pickle('\x80\x02]q\x00h\x00a.'));
    expect(value).toMatchObject({ kind: 'list' });
  });

  it('is cut off before it fills the memory', () => {
    expect(() => unpickle(new Uint8Array(3_000_000).fill(0x4e))).toThrow('more values than any checkpoint');
    expect(() => unpickle(pickle('\x80\x02X\xff\xff\xff\xffa.'))).toThrow('ends in the middle');
  });
});
