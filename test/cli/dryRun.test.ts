import { existsSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { diffora, quickRun, resultOf, temporaryFolder, writeReviews } from './run.js';

let folder: Awaited<ReturnType<typeof temporaryFolder>>;
beforeAll(async () => {
  folder = await temporaryFolder();
  await writeReviews(folder.path('reviews.csv'));
});
afterAll(() => folder.remove());

async function estimate(...flags: string[]) {
  const output = folder.path('run');
  const task = quickRun(folder.path('reviews.csv'));
  const { code, stdout, stderr } = await diffora('train', ...task, '--output', output, '--dry-run', '--json', ...flags);
  expect(code, stderr).toBe(0);
  expect(existsSync(output)).toBe(false);
  return resultOf(stdout);
}

describe('a dry run', () => {
  it('says steps, size and memory, and writes nothing', async () => {
    const found = await estimate('--method', 'lora');
    // 36 rows in batches of 8, two epochs; rank 2 on 3 layers of 4 · (32 + 32), (32 + 64) and (64 + 32), and the head.
    expect(found).toMatchObject({ examples: { train: 36, dev: 4 }, trainSteps: 10, takenBy: 'training' });
    expect(found.trainable).toBe(2 * 3 * (4 * 64 + 2 * 96) + 32 * 32 + 32 + 2 * 32 + 2);
    expect(found.memoryBytes).toBeGreaterThan(100e6);
    expect(found.memoryBytes).toBeLessThan(400e6);
  });

  it('has less memory for parts of a batch, and for activations that are computed again', async () => {
    const whole = await estimate('--method', 'lora');
    for (const flags of [['--accumulate', '4'], ['--gradient-checkpointing']]) {
      expect((await estimate('--method', 'lora', ...flags)).memoryBytes).toBeLessThan(whole.memoryBytes);
    }
  });

  it('counts the two graphs of a search with dropout, which one without needs one of', async () => {
    const dropout = ['--dropout', '0.1'];
    const [lora, diffora, random] = [
      await estimate('--method', 'lora', ...dropout),
      await estimate(...dropout),
      await estimate('--method', 'lora', '--select', 'random', ...dropout),
    ];
    expect(diffora.takenBy).toBe('selection');
    expect(diffora.memoryBytes).toBeGreaterThan(lora.memoryBytes);
    expect(random).toMatchObject({ takenBy: 'training', memoryBytes: lora.memoryBytes });
    expect((await estimate()).memoryBytes).toBeLessThan(diffora.memoryBytes);
  });

  it('counts steps, scorings and the search of its time, and measures some of them', async () => {
    const plain = (await estimate('--method', 'lora')).time;
    expect(plain).toMatchObject({ training: { units: 10 }, evaluation: { units: 4 }, evaluations: 1, isMost: false });
    expect(plain).not.toHaveProperty('selection');
    expect(plain.training.timed).toBeGreaterThan(0);
    // After steps 4 and 8, at the end because the best is kept, and the last one.
    const evaluated = (await estimate('--method', 'lora', '--eval-steps', '4', '--early-stopping', '2')).time;
    expect(evaluated).toMatchObject({ training: { units: 10 }, evaluations: 4, isMost: true });
    // What needs no measurement takes no time to speak of, and what a list says is what is timed.
    expect((await estimate('--method', 'lora', '--select', 'random')).time).not.toHaveProperty('selection');
    const searched = (await estimate('--search-steps', '7', '--search-seeds', '2')).time;
    expect(searched).toMatchObject({ selection: { units: 14, name: 'steps of a search' }, training: { units: 10 } });
    const { seconds, selection, training, evaluation, evaluations, openingSeconds } = searched;
    const parts = [
      2 * selection.setupSeconds + selection.units * selection.secondsPerUnit,
      training.setupSeconds + training.units * training.secondsPerUnit,
      evaluation.setupSeconds + evaluations * evaluation.units * evaluation.secondsPerUnit,
    ];
    expect(seconds).toBeCloseTo(
      parts.reduce((sum, one) => sum + one, openingSeconds),
      6,
    );
  });

  it('is told in words', async () => {
    const flags = [...quickRun(folder.path('reviews.csv')), '--output', folder.path('run'), '--dry-run'];
    const { stdout } = await diffora('train', ...flags);
    expect(stdout).toMatch(/memory +about \d+ MB, most in training; /);
    expect(stdout).toMatch(
      /time +about [^:]+: \d+ steps of a search of [^;]+, 10 steps of [^;]+, 1 scoring of [^;]+;\s+measured by \d+ steps here/,
    );
    expect(stdout).toContain('nothing: this was a dry run');
  });
});
