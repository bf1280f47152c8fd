import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { temporaryFolder } from '../cli/run.js';
import { oraclePath } from '../fixtures.js';
import { nightly } from '../nightly.js';
import { REPOSITORY } from '../shared.js';
import type { Held } from './rounds.js';

const run = promisify(execFile);

let folder: Awaited<ReturnType<typeof temporaryFolder>>;
beforeAll(async () => {
  folder = await temporaryFolder();
});
afterAll(() => folder.remove());

/** Rounds after which nothing is loaded, compiled or grown for the first time: each way to train has been met. */
const warmUp = 5;

/**
 * glibc keeps freed blocks of up to 32 MB, once one of that size was freed, for the next to come: resident memory then
 * moves by the size of the weights from round to round, at random. With a fixed limit it gives them back at once.
 */
const givesBack = { MALLOC_MMAP_THRESHOLD_: '131072', MALLOC_TRIM_THRESHOLD_: '131072' };

/** Rounds of load, train, save, close, load the adapter, predict, close, in a process of their own. */
async function rounds(model: string, count: number): Promise<readonly Held[]> {
  const args = ['--expose-gc', '--import', 'tsx', 'test/library/rounds.ts', model, folder.path('.'), String(count)];
  const { stdout } = await run(process.execPath, args, { cwd: REPOSITORY, env: { ...process.env, ...givesBack } });
  const { opened, rounds: held } = JSON.parse(stdout) as { opened: number; rounds: readonly Held[] };
  expect(held).toHaveLength(count);
  expect(opened).toBeGreaterThan(2 * count);
  return held;
}

function expectNoGrowth(held: readonly Held[], bytesOfARound: number): void {
  const [fifth, rest] = [held[warmUp - 1]!, held.slice(warmUp)];
  for (const { sessions } of held) expect(sessions).toBe(0);
  for (const [i, { files, rss }] of rest.entries()) {
    expect(files).toBe(fifth.files);
    expect(rss, `round ${warmUp + i + 1}`).toBeLessThan(1.1 * fifth.rss);
  }
  // Resident memory comes and goes by megabytes; what JavaScript holds does not.
  const [before, after] = [fifth, held.at(-1)!].map(({ heap, buffers }) => heap + buffers);
  expect((after! - before!) / rest.length).toBeLessThan(bytesOfARound);
}

function show(what: string, held: readonly Held[]): void {
  const megabytes = ({ rss, heap, buffers }: Held) =>
    `${(rss / 1e6).toFixed(1)} (${((heap + buffers) / 1e6).toFixed(2)})`;
  const [fifth, last] = [held[warmUp - 1]!, held.at(-1)!];
  const highest = Math.max(...held.slice(warmUp).map(({ rss }) => rss));
  console.log(
    `${held.length} rounds, ${what}: MB resident (and in JavaScript) after the 5th ${megabytes(fifth)}, after the last ${megabytes(last)}, at most ${(highest / 1e6).toFixed(1)}; ${last.files} open files, ${last.sessions} sessions`,
  );
}

const count = nightly ? 50 : 12;

it(`holds no more after ${count} rounds of load, train and close than after 5`, async () => {
  const held = await rounds(oraclePath('tiny-bert-backbone'), count);
  if (nightly) show('a model of 3 layers', held);
  // Compiled code still grows a little: 100 KB a round to the 12th, 30 KB to the 50th.
  expectNoGrowth(held, nightly ? 100_000 : 300_000);
});

it.runIf(nightly)('holds no more after 15 rounds with all-MiniLM-L6-v2, whose weights are 90 MB', async () => {
  const held = await rounds('sentence-transformers/all-MiniLM-L6-v2', 15);
  show('all-MiniLM-L6-v2', held);
  expectNoGrowth(held, 200_000);
});
