import { execFileSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
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

  const python = process.env.DIFFORA_ORACLE_PYTHON ?? '';
  it.runIf(nightly && existsSync(python))('holds for 240 more, made anew', { timeout: 1_200_000 }, async () => {
    const folder = await mkdtemp(join(tmpdir(), 'diffora-others-'));
    const script = join(REPOSITORY, 'test/oracle/peft_adapters.py');
    const seed = String(Math.floor(Date.now() / 86_400_000));
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
