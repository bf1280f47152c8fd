import { describe, expect, it } from 'vitest';
import { noAdapters } from '../../src/adapters/plan.js';
import { openCheckpoint } from '../../src/checkpoint/open.js';
import { batchFeeds, modelLogits } from '../../src/engine/modelGraph.js';
import { parameterInputs } from '../../src/engine/parameters.js';
import { openDecoder } from '../../src/infer/decoder.js';
import { openModel } from '../../src/models/registry.js';
import { openSession } from '../../src/runtime/session.js';
import { expectClose, oraclePath } from '../fixtures.js';

const ids = [7, 23, 5, 41, 12, 8, 33, 19, 50, 6, 44, 21];
const vocabulary = 60;

/** Logits of the next token after each position, computed at once: [positions, vocab]. */
async function atOnce(name: string): Promise<Float32Array> {
  const model = openModel(await openCheckpoint(oraclePath('families', name)), { taskType: 'CAUSAL_LM', numLabels: 0 });
  const plan = noAdapters;
  const session = await openSession(
    { logits: modelLogits(model, { plan, parameters: parameterInputs([]) }) },
    { threads: 1 },
  );
  const integers = (value: (i: number) => number) => BigInt64Array.from(ids, (_, i) => BigInt(value(i)));
  const batch = {
    batchSize: 1,
    sequenceLength: ids.length,
    inputIds: integers((i) => ids[i]!),
    attentionMask: integers(() => 1),
    tokenTypeIds: integers(() => 0),
    labels: undefined,
    indices: [0],
  };
  const { logits } = await session.run(batchFeeds(batch, false));
  await session.release();
  return logits!.data as Float32Array;
}

/** The frequencies of these depend on the length of the text, which grows from step to step. */
const depends = ['llama-dynamic', 'llama-longrope'];
const names = [
  'llama',
  'llama-tied-biases',
  'llama-yarn',
  'llama-llama3',
  'mistral',
  'qwen2',
  'gpt2',
  'gpt2-unscaled-untied',
];

describe('the key-value cache', () => {
  it.each(names)('%s: gives, token by token, what the whole text gives at once', async (name) => {
    const expected = await atOnce(name);
    const model = openModel(await openCheckpoint(oraclePath('families', name)), {
      taskType: 'CAUSAL_LM',
      numLabels: 0,
    });
    const { layers, heads, headSize } = model.cached!;
    const decoder = await openDecoder(model, {
      plan: noAdapters,
      parameters: [],
      threads: 1,
    });
    for (const promptLength of [1, 5]) {
      let { logits, state } = await decoder.next(decoder.emptyState, ids.slice(0, promptLength));
      for (let length = promptLength; ; length++) {
        const row = expected.slice((length - 1) * vocabulary, length * vocabulary);
        expectClose(`after ${length} tokens`, logits, row, { relative: 1e-5, floor: 1e-5 });
        expect(state.length).toBe(length);
        expect(Object.values(state.caches).map(({ shape }) => shape)).toEqual(
          Array.from({ length: 2 * layers }, () => [1, heads, length, headSize]),
        );
        if (length === ids.length) break;
        ({ logits, state } = await decoder.next(state, [ids[length]!]));
      }
    }
    await decoder.release();
  });

  it.each(depends)('%s: fits the whole text where all of it is the prompt', async (name) => {
    const expected = await atOnce(name);
    const model = openModel(await openCheckpoint(oraclePath('families', name)), {
      taskType: 'CAUSAL_LM',
      numLabels: 0,
    });
    const decoder = await openDecoder(model, {
      plan: noAdapters,
      parameters: [],
      threads: 1,
    });
    const { logits } = await decoder.next(decoder.emptyState, ids);
    expectClose('last', logits, expected.slice(-vocabulary), { relative: 1e-5, floor: 1e-5 });
    await decoder.release();
  });

  it('leaves a state as it is, so that it can be continued twice', async () => {
    const model = openModel(await openCheckpoint(oraclePath('families/llama')), {
      taskType: 'CAUSAL_LM',
      numLabels: 0,
    });
    const decoder = await openDecoder(model, {
      plan: noAdapters,
      parameters: [],
      threads: 1,
    });
    const { state } = await decoder.next(decoder.emptyState, ids);
    const first = await decoder.next(state, [9]);
    await decoder.next(state, [10]);
    const again = await decoder.next(state, [9]);
    expect(again.logits).toEqual(first.logits);
    await decoder.release();
  });

  it('is refused for a model that classifies', async () => {
    const model = openModel(await openCheckpoint(oraclePath('families/llama')), { numLabels: 2 });
    await expect(openDecoder(model, { plan: noAdapters, parameters: [], threads: 1 })).rejects.toThrow(
      'cannot generate text',
    );
  });
});
