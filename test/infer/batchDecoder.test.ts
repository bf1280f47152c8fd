import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { noAdapters } from '../../src/adapters/plan.js';
import { openCheckpoint } from '../../src/checkpoint/open.js';
import { type BatchDecoder, openBatchDecoder } from '../../src/infer/batchDecoder.js';
import { openDecoder } from '../../src/infer/decoder.js';
import { type GenerateOptions, generate } from '../../src/infer/generate.js';
import { openModel } from '../../src/models/registry.js';
import { oneAtATime } from '../../src/oneAtATime.js';
import { expectClose, oraclePath } from '../fixtures.js';

const options = { plan: noAdapters, parameters: [], threads: 1 };
const prompts = [[7, 23, 5], [41], [12, 8, 33, 19, 50, 6, 44], [21, 3]];
const greedy: GenerateOptions = { maxNewTokens: 9, stopTokenIds: [], maxLength: 40, seed: 1, temperature: 0 };

async function causal(name: string) {
  return openModel(await openCheckpoint(oraclePath('families', name)), { taskType: 'CAUSAL_LM', numLabels: 0 });
}

async function collect(
  decoder: Parameters<typeof generate>[0],
  prompt: number[],
  changed: Partial<GenerateOptions> = {},
) {
  const ids: number[] = [];
  for await (const id of generate(decoder, prompt, { ...greedy, ...changed })) ids.push(id);
  return ids;
}

// Rotary positions of every kind, windows shorter than the texts, biases, and learned positions.
const names = [
  'llama',
  'llama-tied-biases',
  'llama-yarn',
  'llama-llama3',
  'llama-dynamic',
  'llama-longrope',
  'mistral',
  'qwen2',
  'gpt2',
];

describe.each(names)('%s: texts of unequal lengths side by side', (name) => {
  it('have the logits that each has alone', async () => {
    const model = await causal(name);
    const [alone, steps] = [await openDecoder(model, options), [] as number[]];
    const onStep = (texts: number) => steps.push(texts);
    const together = await openBatchDecoder(model, { ...options, inTurn: oneAtATime(), onStep });
    const follow = async (decoder: typeof alone, prompt: number[]) => {
      const rows = [];
      let { logits, state } = await decoder.next(decoder.emptyState, prompt);
      for (const id of [9, 2, 30, 14, 5, 5, 27, 40]) {
        rows.push(logits);
        ({ logits, state } = await decoder.next(state, [id]));
      }
      return [...rows, logits];
    };
    const found = await Promise.all(prompts.map((prompt) => follow(together.text(), prompt)));
    for (const [i, prompt] of prompts.entries()) {
      const expected = await follow(alone, prompt);
      for (const [step, logits] of found[i]!.entries()) {
        expectClose(`text ${i}, step ${step}`, logits, expected[step]!, { relative: 1e-5, floor: 1e-5 });
      }
    }
    // The four prompts were read one by one, and then every step was taken by all.
    expect(steps).toEqual([4, 4, 4, 4, 4, 4, 4, 4]);
    await alone.release();
    await together.release();
  });
});

describe('texts that come and go', () => {
  let together: BatchDecoder;
  let alone: Awaited<ReturnType<typeof openDecoder>>;
  beforeAll(async () => {
    const model = await causal('llama');
    alone = await openDecoder(model, options);
    together = await openBatchDecoder(model, { ...options, inTurn: oneAtATime() });
  });
  afterAll(async () => {
    await together.release();
    await alone.release();
  });

  it('are each written as alone, greedy and drawn', async () => {
    const wanted = Array.from({ length: 12 }, (_, i) => ({
      prompt: prompts[i % prompts.length]!,
      changed: { maxNewTokens: 1 + ((5 * i) % 11), seed: i, temperature: i % 2 },
    }));
    const texts = wanted.map(async ({ prompt, changed }, i) => {
      for (let turn = 0; turn < 3 * i; turn++) await new Promise(setImmediate);
      const decoder = together.text();
      return collect(decoder, prompt, changed).finally(() => decoder.release());
    });
    const found = await Promise.all(texts);
    for (const [i, { prompt, changed }] of wanted.entries()) {
      expect(found[i], `text ${i}`).toEqual(await collect(alone, prompt, changed));
    }
  });

  it('may be longer than a part of a prompt, and than the rows were', async () => {
    const long = Array.from({ length: 600 }, (_, i) => (7 * i) % 60);
    const [short, whole] = [together.text(), together.text()];
    const found = await Promise.all([
      collect(short, [5], { maxNewTokens: 20 }),
      collect(whole, long, { maxLength: 640, maxNewTokens: 5 }),
    ]);
    for (const decoder of [short, whole]) await decoder.release();
    expect(found[0]).toEqual(await collect(alone, [5], { maxNewTokens: 20 }));
    expect(found[1]).toEqual(await collect(alone, long, { maxLength: 640, maxNewTokens: 5 }));
  });

  it('stop within a part of their prompt when they are told to', async () => {
    const decoder = together.text(AbortSignal.abort(new Error('gone')));
    await expect(collect(decoder, [1, 2])).rejects.toThrow('gone');
    await decoder.release();
  });
});
