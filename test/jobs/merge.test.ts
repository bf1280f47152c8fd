import { cp, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type FloatType, floatTypes, storedTypes } from '../../src/checkpoint/floatTypes.js';
import { openCheckpoint } from '../../src/checkpoint/open.js';
import { readTensor } from '../../src/checkpoint/safetensors.js';
import { writeSafetensors } from '../../src/checkpoint/safetensors-write.js';
import type { ComputedTensor } from '../../src/checkpoint/safetensorsLayout.js';
import { type MergeOptions, mergeAdapter } from '../../src/jobs/merge.js';
import { silent } from '../../src/reporter.js';
import { oraclePath, readOracle, type TensorKeys } from '../fixtures.js';

const adapter = oraclePath('tiny-bert-adapter');
const plain = oraclePath('tiny-bert-backbone');

let scratch: string;
beforeAll(async () => {
  scratch = await mkdtemp(join(tmpdir(), 'diffora-merge-'));
});
afterAll(() => rm(scratch, { recursive: true }));

/** The tiny model with its weights in a type, and what its config.json says of it. */
async function baseIn(name: string, type: FloatType, said: Readonly<Record<string, unknown>>): Promise<string> {
  const folder = join(scratch, name);
  await cp(plain, folder, { recursive: true });
  const { tensors } = await openCheckpoint(plain);
  const typed = [...tensors.values()].map(
    (one): ComputedTensor => ({ name: one.name, shape: one.shape, as: type, compute: () => readTensor(one) }),
  );
  await writeSafetensors(join(folder, 'model.safetensors'), typed, { format: 'pt' });
  const { dtype: _, torch_dtype: __, ...config } = JSON.parse(await readFile(join(plain, 'config.json'), 'utf8'));
  await writeFile(join(folder, 'config.json'), JSON.stringify({ ...config, ...said }));
  return folder;
}

async function mergedInto(name: string, options: Omit<MergeOptions, 'adapter' | 'output'>) {
  const told: string[] = [];
  const tell = (line: string) => void told.push(line);
  const output = join(scratch, name);
  const reporter = { ...silent, info: tell, warn: tell };
  const merged = await mergeAdapter({ adapter, output, threads: 1, anyBase: true, reporter, ...options });
  const checkpoint = await openCheckpoint(output);
  const types = [...new Set([...checkpoint.tensors.values()].map(({ dtype }) => dtype))];
  return { merged, checkpoint, types, told };
}

interface MergedTypes {
  readonly merged: Readonly<Record<string, { readonly weights: TensorKeys; readonly share: number }>>;
}

describe('a model merged on a base in half precision', async () => {
  const oracle = await readOracle<MergedTypes>('checkpoints/merged-types');

  it.each(['bfloat16', 'float16'] as const)('has the weights that PEFT merges, in one type: %s', async (type) => {
    const model = await baseIn(`base-${type}`, type, { dtype: type });
    const { merged, checkpoint, types, told } = await mergedInto(`merged-${type}`, { model });
    expect(types).toEqual([storedTypes[type]]);
    expect(checkpoint.config.dtype).toBe(type);
    const { weights, share } = oracle.description.merged[type]!;
    let [equal, all] = [0, 0];
    for (const [name, key] of Object.entries(weights)) {
      const [found, expected] = [await readTensor(checkpoint.tensors.get(name)!), oracle.at(key).data];
      for (const [i, value] of found.entries()) {
        const wanted = Number(expected[i]);
        all++;
        if (value === wanted) equal++;
        // Sums in another order fall on the other side of a half now and then: one step, 2⁻⁷ or 2⁻¹⁰ of the value.
        else
          expect(Math.abs(value - wanted)).toBeLessThanOrEqual(
            (type === 'bfloat16' ? 2 ** -7 : 2 ** -10) * Math.abs(wanted),
          );
      }
    }
    expect(equal / all).toBeGreaterThan(0.999);
    expect(merged.rounding!.share / share).toBeCloseTo(1, 2);
    const percent = (100 * merged.rounding!.share).toPrecision(2);
    expect(told).toContainEqual(expect.stringContaining(`Rounding to ${type} takes ${percent} % off what the adapter`));
  });
});

it('takes the generation_config.json of the base over, as save_pretrained does', async () => {
  const model = await baseIn('generation-base', 'float32', {});
  const settings = '{"eos_token_id":[3,5]}';
  await writeFile(join(model, 'generation_config.json'), settings);
  const { checkpoint } = await mergedInto('generation', { model });
  expect(await readFile(join(checkpoint.folder, 'generation_config.json'), 'utf8')).toBe(settings);
});

describe('the type of a merged model', () => {
  it.each<[FloatType, Record<string, unknown>, FloatType | undefined, FloatType]>([
    ['float32', {}, undefined, 'float32'],
    ['bfloat16', {}, undefined, 'bfloat16'],
    ['bfloat16', { torch_dtype: 'bfloat16' }, undefined, 'bfloat16'],
    // transformers widens such weights as it loads them, and PEFT merges into wide ones.
    ['bfloat16', { dtype: 'float32' }, undefined, 'float32'],
    // Weights that are there in float32 are not narrowed unasked.
    ['float32', { dtype: 'float16' }, undefined, 'float32'],
    ['bfloat16', { dtype: 'bfloat16' }, 'float32', 'float32'],
    ['float32', { dtype: 'float32' }, 'float16', 'float16'],
    ['float16', { dtype: 'float16', torch_dtype: 'float16' }, 'bfloat16', 'bfloat16'],
  ])('weights in %s, config.json %j, asked %s: %s', async (stored, said, asked, expected) => {
    const name = `type-${stored}-${Object.values(said).join('-')}-${asked}`;
    const model = await baseIn(`${name}-base`, stored, said);
    const { merged, checkpoint, types } = await mergedInto(name, { model, dtype: asked });
    expect(merged.dtype).toBe(expected);
    expect(types).toEqual([storedTypes[expected]]);
    const keys = Object.keys(said).length === 0 ? ['dtype'] : Object.keys(said);
    for (const key of ['dtype', 'torch_dtype']) {
      expect(checkpoint.config[key]).toBe(keys.includes(key) ? expected : undefined);
    }
    expect(merged.rounding === undefined).toBe(expected === 'float32');
  });

  it('is refused where weights are too large for it, by name', async () => {
    const model = await baseIn('large-base', 'float32', {});
    const { tensors } = await openCheckpoint(model);
    const changed = await Promise.all(
      [...tensors.values()].map(async ({ name, shape }, i) => {
        const data = await readTensor([...tensors.values()][i]!);
        return { name, shape, data: name.endsWith('layer.0.output.LayerNorm.weight') ? data.fill(70_000) : data };
      }),
    );
    await writeSafetensors(join(model, 'model.safetensors'), changed);
    await expect(mergedInto('large', { model, dtype: 'float16' })).rejects.toThrow(
      'Weights of bert.encoder.layer.0.output.LayerNorm.weight are too large for float16. Merge with --dtype float32.',
    );
    expect(floatTypes).toContain((await mergedInto('large', { model, dtype: 'bfloat16' })).merged.dtype);
  });
});
