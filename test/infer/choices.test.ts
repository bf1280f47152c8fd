import { describe, expect, it } from 'vitest';
import { noAdapters } from '../../src/adapters/plan.js';
import { openCheckpoint } from '../../src/checkpoint/open.js';
import { choiceLikelihoods } from '../../src/infer/choices.js';
import { openDecoder } from '../../src/infer/decoder.js';
import { sequenceLikelihoods } from '../../src/infer/likelihood.js';
import { openModel } from '../../src/models/registry.js';
import { oraclePath } from '../fixtures.js';

const none = { plan: noAdapters, parameters: [] };
const prompt = [7, 8, 9];
/** With a common beginning, one the beginning of another, and one apart. */
const choices = [[10, 11, 12], [10, 11], [10, 11, 13, 14], [20]];

describe.each(['llama', 'gpt2', 'qwen2'])('choiceLikelihoods of %s', (family) => {
  it('are those of each choice read by itself', async () => {
    const checkpoint = await openCheckpoint(oraclePath('families', family));
    const model = openModel(checkpoint, { taskType: 'CAUSAL_LM', numLabels: 0, head: 'none' });
    const decoder = await openDecoder(model, { ...none, threads: 1 });
    const found = await choiceLikelihoods(decoder, prompt, choices);
    await decoder.release();
    const sequences = choices.map((choice) => ({ ids: [...prompt, ...choice], from: prompt.length }));
    const expected = await sequenceLikelihoods(model, none, sequences, { threads: 1 });
    for (const [i, { logLikelihood }] of expected.entries()) expect(found[i]).toBeCloseTo(logLikelihood, 4);
  });
});

describe('choiceLikelihoods', () => {
  it('reads the prompt once, and what choices begin with alike once', async () => {
    const asked: (readonly number[])[] = [];
    const decoder = {
      emptyState: { length: 0, caches: {} },
      next: async (state: { length: number }, ids: readonly number[]) => {
        asked.push(ids);
        return { logits: new Float32Array(30), state: { length: state.length + ids.length, caches: {} } };
      },
      release: async () => {},
    };
    const found = await choiceLikelihoods(decoder, prompt, choices);
    expect(asked).toEqual([prompt, [10], [11], [13]]);
    for (const [i, choice] of choices.entries()) expect(found[i]).toBeCloseTo(-choice.length * Math.log(30), 5);
  });
});
