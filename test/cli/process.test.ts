import { readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import { until } from '../until.js';
import { diffora, quickRun, temporaryFolder, tinyModel, writeReviews } from './run.js';
import { built, type Started, startDiffora, startNode } from './started.js';

let folder: Awaited<ReturnType<typeof temporaryFolder>>;

beforeAll(async () => {
  folder = await temporaryFolder();
  await writeReviews(folder.path('reviews.csv'));
});
afterAll(() => folder.remove());

/** Starts the command line, and ends it with the test. */
function start(...args: readonly string[]) {
  return endedWithTest(startDiffora(...args));
}

function endedWithTest(started: Started) {
  onTestFinished(() => void started.child.kill('SIGKILL'));
  /** Waits for so many records of progress, which `--json` writes. */
  const progress = (count: number) => started.says('"event":"progress"', count);
  return { ...started, progress };
}

/** True once there is the hidden folder that an unfinished run writes into. */
const isWriting = async () => (await readdir(folder.path('.'))).some((name) => name.includes('.partial-'));

describe('Ctrl-C', () => {
  it.each([
    ['SIGINT', 130],
    ['SIGTERM', 143],
  ] as const)('ends training in one sentence and leaves nothing: %s', async (signal, exitCode) => {
    const output = folder.path('run');
    const flags = ['--search-steps', '1000000', '--output', output];
    const { child, ended, says } = start('train', ...quickRun(folder.path('reviews.csv')), ...flags);
    await says('Examples of reviews: 36 train');
    await until(isWriting, ended);
    child.kill(signal);
    const { code, stdout, stderr } = await ended;
    expect({ code, stdout }).toEqual({ code: exitCode, stdout: '' });
    expect(stderr.trimEnd().split('\n').at(-1)).toBe(`Interrupted; nothing was written to ${output}.`);
    expect(await readdir(folder.path('.'))).toEqual(['reviews.csv']);
  });

  it('saves the step that it is at where checkpoints are kept, and says how to go on; meanwhile it is alone', async () => {
    const output = folder.path('kept');
    const flags = ['--search-steps', '1000000', '--save-steps', '1000000', '--json', '--output', output];
    const { child, ended, progress } = start('train', ...quickRun(folder.path('reviews.csv')), ...flags);
    const saved = async () =>
      (await readdir(join(output, 'checkpoints')).catch(() => [])).filter((one) => /^step-/.test(one));
    await until(async () => (await saved()).length > 0, ended);
    const second = await diffora('train', '--resume', '--output', output);
    expect(second).toMatchObject({
      code: 1,
      stderr: expect.stringContaining(`${output} is being written by process ${child.pid} on this machine`),
    });
    await progress(1);
    child.kill('SIGTERM');
    const { code, stderr } = await ended;
    expect(code, stderr).toBe(143);
    const steps = (await saved()).map((name) => Number(name.slice('step-'.length)));
    const newest = join(output, 'checkpoints', `step-${Math.max(...steps)}`);
    expect(Math.max(...steps)).toBeGreaterThan(0);
    expect(stderr.trimEnd().split('\n').at(-1)).toBe(
      `Interrupted; ${newest} is saved, and diffora train --resume --output ${output} goes on from there.`,
    );
    await rm(output, { recursive: true });
    expect(await readdir(folder.path('.'))).toEqual(['reviews.csv']);
  });

  it('twice ends work that does not listen, and removes what it has begun', async () => {
    const output = folder.path('deaf');
    // Its clock stands between two signals, which count as one key within 500 ms: npm passes Ctrl-C on to a process that
    // has got it from the terminal already.
    const script = `
      import { interruptible } from ${JSON.stringify(built('dist', 'cli', 'interrupt.js'))};
      import { withOutputFolder } from ${JSON.stringify(built('dist', 'files', 'atomic.js'))};
      const putAway = () => {};
      setInterval(putAway, 1000);
      let heard = 0;
      performance.now = () => [10_000, 10_500, 10_501][heard];
      await interruptible({ output: ${JSON.stringify(output)}, stderr: process.stderr, putAway }, () =>
        withOutputFolder(${JSON.stringify(output)}, () => {
          // After the listener of interruptible, where that one lets the process go on.
          process.on('SIGINT', () => console.log('heard ' + ++heard));
          console.log('ready');
          return new Promise(() => {});
        }));`;
    const { child, ended, says } = endedWithTest(startNode(['--input-type=module', '-e', script]));
    await says('ready');
    expect(await isWriting()).toBe(true);
    child.kill('SIGINT');
    await says('heard 1');
    child.kill('SIGINT');
    await says('heard 2');
    child.kill('SIGINT');
    expect(await ended).toMatchObject({ code: 130, stdout: 'ready\nheard 1\nheard 2\n' });
    expect(await readdir(folder.path('.'))).toEqual(['reviews.csv']);
  });
});

describe('the process', () => {
  it('exits with the code and keeps errors off stdout', async () => {
    const { code, stdout, stderr } = await start('inspect', './nowhere').ended;
    expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
    expect(stderr).toContain('There is no folder ./nowhere');
  });

  it.each(['inspect', 'train'])('says nothing of a reader that has gone away: %s', async (command) => {
    const output = folder.path('unread');
    const run = [...quickRun(folder.path('reviews.csv')), '--output', output, '--json'];
    const { child, ended } = start(command, ...(command === 'train' ? run : [tinyModel, '--quiet']));
    child.stdout!.destroy();
    const { code, stderr } = await ended;
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    await rm(output, { recursive: true, force: true });
  });

  it('writes whole records with --json while it works, and no result where it is broken off', async () => {
    const flags = ['--search-steps', '1000000', '--output', folder.path('run'), '--json'];
    const { child, ended, progress } = start('train', ...quickRun(folder.path('reviews.csv')), ...flags);
    await progress(3);
    child.kill('SIGINT');
    const { code, stdout, stderr } = await ended;
    expect(code, stderr).toBe(130);
    expect(stderr.split('\n')[1]).toMatch(/^Interrupted; /);
    const records = stdout
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line));
    expect(records.map(({ event }) => event)).not.toContain('result');
    const told = records.filter(({ event }) => event === 'progress');
    for (const [i, { seconds, done }] of told.slice(1).entries()) {
      // A second, but for the last bit of the difference.
      expect(seconds - told[i].seconds).toBeGreaterThan(0.999_999);
      expect(done).toBeGreaterThan(told[i].done);
    }
  });
});
