import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { exportModel } from '../../src/jobs/export.js';
import { oraclePath, readOracle } from '../fixtures.js';
import { modelOf } from './models.js';
import { hasLlamaCpp, type LlamaResult, runLlamaCpp } from './runLlamaCpp.js';

interface Case {
  readonly name: string;
  readonly family: string;
  readonly config: object;
  readonly adapter?: string;
  readonly probabilities: string;
}

describe.skipIf(!hasLlamaCpp)('llama.cpp with an exported GGUF', async () => {
  const oracle = await readOracle<{ rows: number[][]; cases: Case[] }>('gguf-export/texts');
  const { rows, cases } = oracle.description;
  const results = new Map<string, LlamaResult>();
  let scratch: string;
  beforeAll(async () => {
    scratch = await mkdtemp(join(tmpdir(), 'diffora-export-'));
    const jobs: { name: string; model: string; lora?: string; rows: number[][] }[] = [];
    const exported = async (options: Partial<Parameters<typeof exportModel>[0]>, output: string) => {
      const { files } = await exportModel({ format: 'gguf', dtypes: ['f32'], output, ...options });
      return join(output, files[0]!.file);
    };
    for (const { name, family, config, adapter: folder } of cases) {
      const model = await modelOf(family, join(scratch, name), { config });
      const adapter = folder && oraclePath('gguf-export', folder);
      const file = await exported({ model, adapter, anyBase: true }, join(scratch, `${name}-out`));
      jobs.push({ name, model: file, rows });
      if (adapter === undefined) continue;
      const base = await exported({ model }, join(scratch, `${name}-base`));
      const lora = await exported({ model, adapter, anyBase: true, adapterAlone: true }, join(scratch, `${name}-lora`));
      jobs.push({ name: `${name} beside its base`, model: base, lora, rows });
    }
    const found = await runLlamaCpp(jobs);
    for (const [index, { name }] of jobs.entries()) results.set(name, found[index]!);
  }, 400_000);
  afterAll(() => rm(scratch, { recursive: true }));

  const all = cases.flatMap((one) =>
    one.adapter === undefined ? [one] : [one, { ...one, name: `${one.name} beside its base` }],
  );
  it.each(all.map((one) => [one.name, one] as const))(
    "has transformers' probabilities within its context: %s",
    (name, { family, probabilities: key }) => {
      const { probabilities, context } = results.get(name)!;
      const { data, shape } = oracle.at(key);
      const [, length, vocabulary] = shape as [number, number, number];
      expect(context).toBeGreaterThanOrEqual(4);
      // Of GPT-2's GELU llama.cpp keeps a table in half precision.
      const tolerance = family === 'gpt2' ? 2e-2 : 2e-5;
      for (let row = 0; row < rows.length; row++) {
        for (let at = 0; at < Math.min(length, context); at++) {
          const expected = data.slice((row * length + at) * vocabulary, (row * length + at + 1) * vocabulary);
          for (const [token, probability] of probabilities[row]![at]!.entries()) {
            expect(Math.abs(probability / Number(expected[token]) - 1), `${row} ${at} ${token}`).toBeLessThan(
              tolerance,
            );
          }
        }
      }
    },
  );
});
