import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { noAdapters } from '../../src/adapters/plan.js';
import { openDecoder } from '../../src/infer/decoder.js';
import { oraclePath } from '../fixtures.js';
import { differenceOf, type OddCase, oddTolerance, openOddCheckpoint, writeOddCheckpoint } from './oddCheckpoint.js';

/** Cases of test/oracle/config_cases.py. */
const { cases } = JSON.parse(await readFile(oraclePath('config-cases.json'), 'utf8')) as {
  readonly cases: readonly (OddCase & { readonly name: string })[];
};
const caseOf = (name: string) => cases.find((one) => one.name === name)!;

let scratch: string;
beforeAll(async () => {
  scratch = await mkdtemp(join(tmpdir(), 'diffora-config-'));
});
afterAll(() => rm(scratch, { recursive: true }));

describe('what transformers gives for each row alone, alone and beside others', () => {
  it.each(cases.map((one, index) => [`${one.name} (${one.taskType})`, one, index] as const))(
    '%s',
    async (_, one, index) => {
      const folder = await writeOddCheckpoint(join(scratch, String(index)), one);
      expect(await differenceOf(await openOddCheckpoint(folder, one), one)).toBeLessThanOrEqual(oddTolerance);
    },
  );

  it('is not what it gives for them together where frequencies follow the longest row', () => {
    const names = cases.filter(({ dependsOnBatch }) => dependsOnBatch).map(({ name }) => name);
    expect(names).toEqual(expect.arrayContaining(['mistral with dynamic scaling', 'llama with LongRoPE']));
  });
});

describe('a decoder that sees both ways', () => {
  it.each(['llama that sees both ways', 'gpt2 that sees both ways'])('writes no texts: %s', async (name) => {
    const one = caseOf(name);
    const folder = await writeOddCheckpoint(join(scratch, `writes-${one.modelType}`), one);
    const model = await openOddCheckpoint(folder, one);
    const opened = openDecoder(model, { plan: noAdapters, parameters: [], threads: 1 });
    await expect(opened).rejects.toThrow('cannot generate text: it is no causal model.');
  });
});

describe('what would be something else', () => {
  const refused: readonly (readonly [string, string, Record<string, unknown>, string])[] = [
    ['bert without the key', 'bert as a decoder', { is_decoder: false, is_causal: true }, 'is_causal true'],
    ['distilbert', "distilbert under transformers' common names", { is_causal: true }, 'is_causal true'],
    ['cross-attention', 'bert as a decoder', { add_cross_attention: true }, 'add_cross_attention true'],
    ['windows of llama', 'llama that sees both ways', { sliding_window: 4 }, 'sliding_window 4'],
    ['layers of llama', 'llama that sees both ways', { layer_types: ['sliding_attention'] }, 'layer_types ["sliding'],
    ['a layer too many', 'mistral with windows in some layers', { num_hidden_layers: 3 }, 'layer_types has 2 entries'],
    ['no window', 'mistral with windows in some layers', { sliding_window: null }, 'but there is no sliding_window'],
    ['windows not used', 'qwen2 with windows in some layers', { use_sliding_window: false }, 'no sliding_window'],
    ['other layers', 'qwen2 with windows in some layers', { layer_types: ['conv', 'conv'] }, 'layer_types'],
    [
      'layers of their own',
      'llama that sees both ways',
      { per_layer_config: { 0: { head_dim: 2 } } },
      'per_layer_config',
    ],
    ['quantised', 'llama that sees both ways', { quantization_config: { bits: 4 } }, 'quantization_config'],
    ['no place to count from', 'roberta without a padding id', { pad_token_id: null }, 'pad_token_id'],
    ['no token', 'roberta without a padding id', { pad_token_id: 40 }, 'pad_token_id 40 is no id of the vocabulary'],
  ];
  it.each(refused)('%s: is refused by the key', async (name, from, changed, message) => {
    const one = caseOf(from);
    const config = { ...one.config, ...changed };
    const folder = await writeOddCheckpoint(join(scratch, name.replaceAll(' ', '-')), { ...one, config });
    await expect(openOddCheckpoint(folder, one)).rejects.toThrow(message);
  });
});
