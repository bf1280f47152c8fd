import { readFile } from 'node:fs/promises';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { diffora, quickRun, temporaryFolder, writeReviews } from './run.js';

let folder: Awaited<ReturnType<typeof temporaryFolder>>;
const files = ['adapter/adapter_model.safetensors', 'dam.json', 'metrics.jsonl'];

async function train(name: string, ...flags: string[]): Promise<Buffer[]> {
  const output = folder.path(name);
  const { code, stderr } = await diffora(
    'train',
    ...quickRun(folder.path('reviews.csv')),
    '--output',
    output,
    ...flags,
  );
  expect(code, stderr).toBe(0);
  return Promise.all(files.map((file) => readFile(folder.path(name, file))));
}

beforeAll(async () => {
  folder = await temporaryFolder();
  await writeReviews(folder.path('reviews.csv'));
});
afterAll(() => folder.remove());

it('gives the same bytes for the same seed, dropout on, whatever is printed', async () => {
  const flags = ['--seed', '7', '--dropout', '0.2'];
  const first = await train('first', ...flags);
  expect(await train('second', ...flags)).toEqual(first);
  expect(await train('quiet', ...flags, '--quiet')).toEqual(first);
  expect(await train('json', ...flags, '--json')).toEqual(first);
});

it('gives the same bytes with --gradient-checkpointing', async () => {
  const flags = ['--seed', '7', '--dropout', '0.2'];
  const kept = await train('kept', ...flags);
  expect(await train('recomputed', ...flags, '--gradient-checkpointing')).toEqual(kept);
  const { config } = JSON.parse(await readFile(folder.path('recomputed', 'run.json'), 'utf8'));
  expect(config.gradientCheckpointing).toBe(true);
});

it('gives other bytes for another seed', async () => {
  const [one, two] = [await train('one', '--seed', '1'), await train('two', '--seed', '2')];
  for (const [i, file] of files.entries()) expect(one[i]!.equals(two[i]!), file).toBe(false);
});
