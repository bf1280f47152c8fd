import { existsSync } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { checkpointsOf } from '../../src/artifacts/checkpoints/format.js';
import { newestCheckpoint } from '../../src/artifacts/checkpoints/read.js';
import { isComplete } from '../../src/artifacts/runOutput.js';
import { type RandomStream, randomStream } from '../../src/random.js';
import { bytesOf } from '../jobs/resumed.js';
import { nightly } from '../nightly.js';
import { diffora, quickRun, temporaryFolder, writeReviews } from './run.js';
import { startDiffora } from './started.js';

const kills = nightly ? 200 : 4;
/** Kills that one run may suffer before it is let go on to its end. */
const killsOfRun = 4;

let folder: Awaited<ReturnType<typeof temporaryFolder>>;
beforeAll(async () => {
  folder = await temporaryFolder();
  await writeReviews(folder.path('reviews.csv'));
});
afterAll(() => folder.remove());

/** Kinds of run: what their state is made of differs. */
const kinds: Readonly<Record<string, readonly string[]>> = {
  diffora: ['--search-steps', '12', '--search-seeds', '2', '--dropout', '0.1', '--start', 'search'],
  adalora: ['--method', 'adalora', '--adalora-tinit', '2', '--adalora-delta-t', '2', '--accumulate', '2'],
  evaluated: ['--method', 'dora', '--eval-steps', '2', '--early-stopping', '4', '--lr', '0.02'],
  'leave-one-out': ['--method', 'lora', '--select', 'leave-one-out', '--search-steps', '12'],
  full: ['--method', 'full', '--epochs', '1'],
};

/** Where a run was when it was killed. */
type Instant = 'nothing saved' | 'between writes' | 'within a checkpoint' | 'moving into place' | 'complete';

async function instantOf(output: string): Promise<Instant> {
  if (!existsSync(checkpointsOf(output))) return (await isComplete(output)) ? 'complete' : 'nothing saved';
  if ((await readdir(output)).some((name) => name !== 'checkpoints')) return 'moving into place';
  const warnings: string[] = [];
  // Whatever the instant: what has the name of a checkpoint is one.
  const newest = await newestCheckpoint(checkpointsOf(output), (message) => warnings.push(message));
  expect(warnings).toEqual([]);
  const isWriting = (await readdir(checkpointsOf(output))).some((name) => name.includes('.partial-'));
  if (newest === undefined) return 'nothing saved';
  return isWriting ? 'within a checkpoint' : 'between writes';
}

/** Milliseconds that the last process took from its start to its first write. */
let untilWriting = 1500;

/**
 * Starts the command line and kills it: at a random instant after its first write, or any time before.
 *
 * @param milliseconds that a whole run takes here, so that a fast machine is hit in the middle as well as a slow one
 * @returns false where it had ended before
 */
async function startAndKill(
  args: readonly string[],
  output: string,
  milliseconds: number,
  random: RandomStream,
): Promise<boolean> {
  const started = performance.now();
  const { child, ended } = startDiffora(...args);
  const sleep = (time: number) => Promise.race([ended, new Promise((done) => setTimeout(done, time))]);
  if (random.integer(8) === 0) {
    await sleep(untilWriting * random.uniform());
  } else {
    const contents = async () => String(await readdir(checkpointsOf(output)).catch(() => []));
    const before = await contents();
    while (child.exitCode === null && (await contents()) === before) await sleep(2);
    untilWriting = performance.now() - started;
    await sleep(milliseconds * random.uniform() ** 2);
  }
  const isRunning = child.exitCode === null;
  child.kill('SIGKILL');
  const { code, stderr } = await ended;
  if (!isRunning) expect(code, stderr).toBe(0);
  return isRunning;
}

it(`ends with the bytes of an undisturbed run after ${kills} kills at random instants`, async () => {
  const seed = Number(process.env.DIFFORA_SEED ?? (nightly ? Date.now() % 10_000 : 1));
  const random = randomStream(seed, 'crash');
  const counts = new Map<Instant, number>();
  const expected = new Map<string, { readonly bytes: Record<string, string>; readonly milliseconds: number }>();
  let [killed, runs] = [0, 0];
  while (killed < kills) {
    const kind = Object.keys(kinds)[runs % Object.keys(kinds).length]!;
    const flags = [...quickRun(folder.path('reviews.csv')), ...kinds[kind]!];
    if (!expected.has(kind)) {
      const started = performance.now();
      const whole = await diffora('train', ...flags, '--output', folder.path(kind));
      expect(whole.code, whole.stderr).toBe(0);
      expected.set(kind, { bytes: await bytesOf(folder.path(kind)), milliseconds: performance.now() - started });
    }
    const { bytes: wanted, milliseconds } = expected.get(kind)!;
    const output = folder.path(`${kind}-${runs++}`);
    const every = ['1', '3'][random.integer(2)]!;
    const full = ['train', ...flags, '--save-steps', every, '--resume', '--output', output];
    const next = async () => {
      const saved = (await newestCheckpoint(checkpointsOf(output), () => {})) !== undefined;
      return saved || (await isComplete(output)) ? ['train', '--resume', '--output', output] : full;
    };
    for (let i = 0; i < killsOfRun && killed < kills; i++) {
      if (!(await startAndKill(await next(), output, milliseconds, random))) break;
      killed++;
      const instant = await instantOf(output);
      counts.set(instant, (counts.get(instant) ?? 0) + 1);
      if (instant === 'nothing saved') {
        const { code, stderr } = await diffora('train', '--resume', '--output', output);
        expect({ code, stderr }).toMatchObject({ code: 2, stderr: expect.stringContaining('Nothing was saved in') });
      }
    }
    const last = await diffora(...(await next()));
    expect(last.code, last.stderr).toBe(0);
    const found = await bytesOf(output);
    for (const [what, bytes] of Object.entries(wanted)) expect(found[what] === bytes, what).toBe(true);
    expect((await readdir(output)).sort()).toEqual((await readdir(folder.path(kind))).sort());
    const left = (await readdir(folder.path('.'))).filter((name) => name.startsWith('.'));
    expect(left).toEqual([]);
  }
  const shown = [...counts].map(([instant, count]) => `${count} ${instant}`);
  console.log(`${killed} kills in ${runs} runs, seed ${seed}: ${shown.join(', ')}`);
});
