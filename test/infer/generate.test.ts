import { describe, expect, it } from 'vitest';
import type { Decoder, DecoderState } from '../../src/infer/decoder.js';
import { type GenerateOptions, generate } from '../../src/infer/generate.js';

/** A decoder whose likeliest next token is the last one plus 1, and what it was asked. */
function counter(vocabulary = 10) {
  const asked: { length: number; ids: readonly number[] }[] = [];
  const emptyState: DecoderState = { length: 0, caches: {} };
  const decoder: Decoder = {
    emptyState,
    async next(state, ids) {
      asked.push({ length: state.length, ids: [...ids] });
      const logits = new Float32Array(vocabulary);
      logits[(ids.at(-1)! + 1) % vocabulary] = 5;
      return { logits, state: { length: state.length + ids.length, caches: {} } };
    },
    release: async () => {},
  };
  return { decoder, asked };
}

const options: GenerateOptions = { maxNewTokens: 4, stopTokenIds: [], maxLength: 100, seed: 1, temperature: 0 };

async function collect(decoder: Decoder, prompt: number[], changed: Partial<GenerateOptions> = {}) {
  const ids: number[] = [];
  const run = generate(decoder, prompt, { ...options, ...changed });
  for (;;) {
    const step = await run.next();
    if (step.done) return { ids, reason: step.value };
    ids.push(step.value);
  }
}

describe('generate', () => {
  it('feeds the prompt once and then one token at a time', async () => {
    const { decoder, asked } = counter();
    expect(await collect(decoder, [1, 2, 3])).toEqual({ ids: [4, 5, 6, 7], reason: 'length' });
    expect(asked).toEqual([
      { length: 0, ids: [1, 2, 3] },
      { length: 3, ids: [4] },
      { length: 4, ids: [5] },
      { length: 5, ids: [6] },
    ]);
  });

  it('ends at a stop token, which is not part of the text', async () => {
    expect(await collect(counter().decoder, [1], { stopTokenIds: [4, 9] })).toEqual({ ids: [2, 3], reason: 'stop' });
  });

  it("ends at the model's longest sequence", async () => {
    expect(await collect(counter().decoder, [1, 2], { maxLength: 4 })).toEqual({ ids: [3, 4], reason: 'context' });
  });

  it('refuses a prompt without tokens, or one that fills the model', async () => {
    await expect(collect(counter().decoder, [])).rejects.toThrow('has no tokens');
    await expect(collect(counter().decoder, [1, 2], { maxLength: 2 })).rejects.toThrow('has 2 tokens');
  });

  it('stops when it is told to', async () => {
    const abort = new AbortController();
    const run = generate(counter().decoder, [1], { ...options, signal: abort.signal });
    await run.next();
    abort.abort();
    await expect(run.next()).rejects.toThrow();
  });
});
