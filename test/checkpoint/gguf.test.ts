import { cp, mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import { noAdapters } from '../../src/adapters/plan.js';
import { dequantize } from '../../src/checkpoint/ggufQuants.js';
import { openCheckpoint } from '../../src/checkpoint/open.js';
import { readTensor } from '../../src/checkpoint/safetensors.js';
import { openDecoder } from '../../src/infer/decoder.js';
import { generate } from '../../src/infer/generate.js';
import { openModel } from '../../src/models/registry.js';
import { loadTokenizer } from '../../src/tokenize/index.js';
import { expectClose, oraclePath, readOracle, type TensorKeys } from '../fixtures.js';

const tiny = oraclePath('checkpoints', 'tiny.gguf');

let scratch: string;
beforeAll(async () => {
  scratch = await mkdtemp(join(tmpdir(), 'diffora-gguf-'));
  vi.stubEnv('DIFFORA_CACHE', join(scratch, 'cache'));
});
afterAll(async () => {
  vi.unstubAllEnvs();
  await rm(scratch, { recursive: true });
});
afterEach(() => vi.restoreAllMocks());

describe('blocks of GGUF', async () => {
  const quants = await readOracle<{ types: { type: string; bytes: string; values: string }[] }>('checkpoints/quants');
  it.each(quants.description.types.map((one) => [one.type, one] as const))(
    '%s: are the values of the Python package, bit by bit',
    (type, { bytes, values }) => {
      const data = Uint8Array.from(quants.at(bytes).data, Number);
      expect(dequantize(data, type)).toEqual(quants.at(values).data);
    },
  );
});

interface Tiny {
  readonly text: string;
  readonly ids: readonly number[];
  readonly generated: readonly number[];
  readonly logits: string;
  readonly weights: TensorKeys;
}

describe('a GGUF file', async () => {
  const oracle = await readOracle<Tiny>('checkpoints/tiny-gguf');
  const { text, ids, generated, logits, weights } = oracle.description;

  it('has the weights that transformers reads out of it, bit by bit', async () => {
    const { tensors, config } = await openCheckpoint(tiny);
    expect([...tensors.keys()].sort()).toEqual(Object.keys(weights).sort());
    for (const [name, tensor] of tensors) {
      const expected = oracle.at(weights[name]!);
      expect(tensor.shape, name).toEqual(expected.shape);
      expect(await readTensor(tensor), name).toEqual(expected.data);
    }
    expect(config).toMatchObject({ model_type: 'llama', tie_word_embeddings: false, rope_theta: 1000 });
  });

  it("gives transformers' ids, logits and greedy text", async () => {
    const checkpoint = await openCheckpoint(tiny);
    const tokenizer = await loadTokenizer(checkpoint.folder);
    expect(tokenizer.encode(text).ids).toEqual(ids);
    expect(tokenizer.decode(ids)).toBe(text);
    expect(tokenizer.chatTemplate).toContain('<|im_start|>');
    const model = openModel(checkpoint, { taskType: 'CAUSAL_LM', numLabels: 0 });
    const plan = noAdapters;
    const decoder = await openDecoder(model, { plan, parameters: [], threads: 1 });
    const all = oracle.at(logits);
    const vocabulary = all.shape[1]!;
    const first = await decoder.next(decoder.emptyState, ids);
    expectClose('logits', first.logits, all.data.slice(-vocabulary) as Float32Array, { relative: 1e-4, floor: 1e-4 });
    const options = { maxNewTokens: generated.length, stopTokenIds: [], maxLength: 64, seed: 1, temperature: 0 };
    const found: number[] = [];
    for await (const id of generate(decoder, ids, options)) found.push(id);
    expect(found).toEqual(generated);
    await decoder.release();
  });

  it('is converted once', async () => {
    const first = await openCheckpoint(tiny);
    await writeFile(join(first.folder, 'mark'), '');
    expect((await openCheckpoint(tiny)).folder).toBe(first.folder);
    expect(await readdir(first.folder)).toContain('mark');
    expect(await readdir(join(scratch, 'cache', 'gguf'))).toHaveLength(1);
  });

  it('may stand alone in a folder, but not beside another', async () => {
    const folder = join(scratch, 'folder');
    await mkdir(folder);
    await cp(tiny, join(folder, 'a.gguf'));
    expect((await openCheckpoint(folder)).tensors.size).toBe(Object.keys(weights).length);
    await cp(tiny, join(folder, 'b.gguf'));
    await expect(openCheckpoint(folder)).rejects.toThrow('several GGUF files: a.gguf, b.gguf');
  });

  it.each([
    ['another kind of file', (bytes: Buffer) => bytes.write('GGML', 0), 'does not begin with "GGUF"'],
    ['version 1', (bytes: Buffer) => bytes.writeUInt32LE(1, 4), 'has version 1'],
    ['a big-endian file', (bytes: Buffer) => bytes.writeUInt32BE(3, 4), 'is big-endian'],
    [
      'an unknown architecture',
      (bytes: Buffer) => bytes.write('mamba', bytes.indexOf('llama', 40)),
      'architecture "mamba"',
    ],
  ])('is refused with a sentence: %s', async (_, change, message) => {
    const path = join(scratch, 'changed.gguf');
    const bytes = await readFile(tiny);
    change(bytes);
    await writeFile(path, bytes);
    await expect(openCheckpoint(path)).rejects.toThrow(message);
  });

  it('that is cut short is refused before anything is written', async () => {
    const path = join(scratch, 'cut.gguf');
    await writeFile(path, (await readFile(tiny)).subarray(0, -100));
    await expect(openCheckpoint(path)).rejects.toThrow(/is damaged: tensor ".*" ends at byte/);
    expect(await readdir(join(scratch, 'cache', 'gguf'))).toHaveLength(1);
  });
});
