import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it, vi } from 'vitest';
import { loadModel } from '../../src/index.js';
import { nameOf } from '../../src/serve/servedModel.js';
import { clientOf, servedFor } from './served.js';

/** As in test/infer/smollm2.test.ts; what transformers gives was written by test/oracle/smollm2.py. */
const gguf = process.env.DIFFORA_SMOLLM2 ?? '';

interface Fixture {
  readonly prompts: readonly { readonly ids: number[]; readonly generated: number[] }[];
}

describe.skipIf(!existsSync(gguf))('SmolLM2-135M-Instruct, served', () => {
  const served = servedFor(async (path) => {
    vi.stubEnv('DIFFORA_CACHE', path('cache'));
    return { model: gguf, threads: 2 };
  });

  it("writes transformers' texts, eight at a time", async () => {
    const fixture = join(import.meta.dirname, '../infer/fixtures/smollm2.json');
    const prompts = (JSON.parse(await readFile(fixture, 'utf8')) as Fixture).prompts.slice(0, 8);
    const client = clientOf(served.server);
    const asked = { model: nameOf(gguf), temperature: 0, max_tokens: 32 };
    const { tokenizer } = await loadModel(gguf);
    const texts = await Promise.all(
      prompts.map(async ({ ids }) => (await client.completions.create({ ...asked, prompt: ids })).choices[0]!.text),
    );
    for (const [i, { generated }] of prompts.entries()) {
      expect(texts[i]).toBe(tokenizer.decode(generated, { skipSpecialTokens: true }));
    }
  });
});
