import { execFileSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { readSafetensorsHeader, readTensor } from '../../../src/checkpoint/safetensors.js';
import { writeSafetensors } from '../../../src/checkpoint/safetensors-write.js';
import { folderOf } from '../../data/files.js';
import { nightly } from '../../nightly.js';
import { REPOSITORY } from '../../shared.js';
import { distance, type OtherAdapter, outcomeOf, readOthers } from './others.js';

/** Written by PEFT 0.21.2: test/oracle/peft_adapters.py make. */
const FOLDER = join(import.meta.dirname, 'fixtures/others');
const others = await readOthers(FOLDER);
const named = others.filter(({ name }) => !/^\d+$/.test(name));

/** PEFT computes in float32 too. */
const tolerance = 1e-4;

describe('what other people make with PEFT', () => {
  it.each(named.map((one) => [one.name, one] as const))('%s has the logits that PEFT gives', async (name, one) => {
    const outcome = await outcomeOf(one, join(FOLDER, name));
    expect(outcome).toMatchObject({ kind: 'read' });
    if (outcome.kind === 'read') expect(distance(outcome.logits, one)).toBeLessThan(tolerance);
  });

  it('drawn over the fields of its configurations, is read with its logits or refused by name', async () => {
    await expectRightOrRefused(others, FOLDER);
  });

  it('is refused where it was made for more tokens than its base model has', async () => {
    const one = others.find(({ name }) => name === 'word-embeddings')!;
    const folder = await folderOf({
      'adapter_config.json': await readFile(join(FOLDER, one.name, 'adapter_config.json')),
    });
    const { tensors } = await readSafetensorsHeader(join(FOLDER, one.name, 'adapter_model.safetensors'));
    const read = await Promise.all(
      [...tensors].map(async ([name, stored]) => ({ name, shape: stored.shape, data: await readTensor(stored) })),
    );
    const grown = read.map(({ name, shape, data }) => {
      if (!name.endsWith('word_embeddings.weight')) return { name, shape, data };
      const [rows, width] = shape as [number, number];
      return {
        name,
        shape: [rows + 2, width],
        data: Float32Array.from({ length: (rows + 2) * width }, (_, i) => data[i] ?? 0),
      };
    });
    await writeSafetensors(join(folder, 'adapter_model.safetensors'), grown);
    const message =
      /word_embeddings\.weight is \[\d+,\d+\]; the vocabulary was resized, from \d+ rows to \d+, which is not supported\./;
    expect(await outcomeOf(one, folder)).toEqual({ kind: 'refused', message: expect.stringMatching(message) });
  });

  it('is told from adapters of MLX, and from a folder of several', async () => {
    const one = named[0]!;
    const mlx = await folderOf({ 'adapter_config.json': '{"fine_tune_type":"lora"}', 'adapters.safetensors': '' });
    expect(await outcomeOf(one, mlx)).toMatchObject({ message: expect.stringContaining('is an adapter of MLX') });
    const files = { 'en/adapter_config.json': '{}', 'en/adapter_model.safetensors': '' };
    const several = await folderOf(files);
    expect(await outcomeOf(one, several)).toMatchObject({
      message: expect.stringContaining(`Give one of them: ${join(several, 'en')}`),
    });
  });

  const python = process.env.DIFFORA_ORACLE_PYTHON ?? '';
  it.runIf(nightly && existsSync(python))('holds for 240 more, made anew', { timeout: 1_200_000 }, async () => {
    const folder = await mkdtemp(join(tmpdir(), 'diffora-others-'));
    const script = join(REPOSITORY, 'test/oracle/peft_adapters.py');
    const seed = process.env.DIFFORA_SEED ?? '1';
    try {
      execFileSync(python, [script, 'make', '--count', '240', '--seed', seed, '--output', folder]);
      await expectRightOrRefused(await readOthers(folder), folder);
    } finally {
      await rm(folder, { recursive: true, force: true });
    }
  });
});

/** That none is read with other logits, and that every refusal names a field of the configuration or a tensor. */
async function expectRightOrRefused(adapters: readonly OtherAdapter[], folder: string): Promise<void> {
  const refusals: string[] = [];
  for (const one of adapters) {
    const outcome = await outcomeOf(one, join(folder, one.name));
    const what = `${one.name}: ${one.peftType} on ${one.base}, ${one.form}, ${one.fields.join(', ')}`;
    if (outcome.kind === 'read') expect(distance(outcome.logits, one), what).toBeLessThan(tolerance);
    else {
      const sentence = outcome.message.replaceAll(folder, '');
      expect(sentence, what).toMatch(/"\w+"|\w+\.\w+\.(weight|bias)|target_modules|modules_to_save/);
      refusals.push(sentence);
    }
  }
  console.log(`${adapters.length} adapters: ${adapters.length - refusals.length} read, ${refusals.length} refused`);
}
