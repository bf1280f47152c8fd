import { describe, expect, it } from 'vitest';
import { noAdapters } from '../../src/adapters/plan.js';
import { openCheckpoint } from '../../src/checkpoint/open.js';
import { likeliestChoice, perplexity, sequenceLikelihoods } from '../../src/infer/likelihood.js';
import { predictEach } from '../../src/infer/predictLogits.js';
import { openModel } from '../../src/models/registry.js';
import { oraclePath } from '../fixtures.js';

const plan = noAdapters;
const none = { plan, parameters: [] };
const options = { threads: 1 };
const open = async (taskType: 'CAUSAL_LM' | 'SEQ_CLS' = 'CAUSAL_LM') =>
  openModel(await openCheckpoint(oraclePath('families/llama')), { taskType, numLabels: 2 });

describe('sequenceLikelihoods', () => {
  const sequences = [
    { ids: [7, 8, 9, 10], from: 1 },
    { ids: [7, 8, 9, 10, 11, 12, 13], from: 5 },
    { ids: [20, 21], from: 1 },
  ];

  it('is the sum of log-softmax at the wanted tokens, whatever else is in the batch', async () => {
    const model = await open();
    const scores = await sequenceLikelihoods(model, none, sequences, options);
    for (const [i, { ids, from }] of sequences.entries()) {
      // Token by token: the logits after each beginning.
      const beginnings = ids.slice(from).map((_, k) => ids.slice(0, from + k));
      const examples = beginnings.map((one, index) => ({
        inputIds: Int32Array.from(one),
        tokenTypeIds: new Int32Array(one.length),
        label: undefined,
        index,
      }));
      const logits = await predictEach(model, plan, [], examples, options);
      const expected = logits.reduce((sum, values, k) => {
        const highest = Math.max(...values);
        const total = values.reduce((all, value) => all + Math.exp(value - highest), 0);
        return sum + values[ids[from + k]!]! - highest - Math.log(total);
      }, 0);
      expect(scores[i]!.tokens).toBe(ids.length - from);
      expect(scores[i]!.logLikelihood).toBeCloseTo(expected, 3);
    }
  });

  it('refuses a sequence with nothing to predict, and a model that classifies', async () => {
    await expect(sequenceLikelihoods(await open(), none, [{ ids: [1, 2], from: 2 }], options)).rejects.toThrow(
      'Sequence 1 has 2 tokens and none to predict from position 2 on',
    );
    await expect(sequenceLikelihoods(await open('SEQ_CLS'), none, sequences, options)).rejects.toThrow(
      'is not opened as a causal model',
    );
  });
});

describe('perplexity', () => {
  it('is exp of the mean negative log-likelihood over all tokens', () => {
    const scores = [
      { logLikelihood: -2, tokens: 1 },
      { logLikelihood: -4, tokens: 2 },
    ];
    expect(perplexity(scores)).toBeCloseTo(Math.exp(2), 10);
  });
});

describe('likeliestChoice', () => {
  const scores = [
    { logLikelihood: -3, tokens: 1 },
    { logLikelihood: -4, tokens: 4 },
  ];
  it('takes the likeliest, by token where asked', () => {
    expect(likeliestChoice(scores)).toBe(0);
    expect(likeliestChoice(scores, { normalize: true })).toBe(1);
  });
});
