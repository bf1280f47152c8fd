import { cp, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { checkpointsOf } from '../../src/artifacts/checkpoints/format.js';
import { newestCheckpoint, savedSteps } from '../../src/artifacts/checkpoints/read.js';
import { isComplete } from '../../src/artifacts/runOutput.js';
import { randomStream } from '../../src/random.js';
import { diffora, quickRun, temporaryFolder, tinyModel, writeReviews } from '../cli/run.js';
import { bytesOf } from '../jobs/resumed.js';
import { nightly } from '../nightly.js';
import { until } from '../until.js';
import { type Launcher, launchers, processesOf } from './launchers.js';

let folder: Awaited<ReturnType<typeof temporaryFolder>>;
let task: string;
/** 50 steps, in one process. */
let whole: Awaited<ReturnType<typeof bytesOf>>;
const fifty = () => quickRun(task, '--method', 'lora', '--epochs', '10');

beforeAll(async () => {
  folder = await temporaryFolder();
  task = folder.path('reviews.csv');
  await writeReviews(task);
  const alone = folder.path('alone');
  const { code, stderr } = await diffora('train', ...fifty(), '--accumulate', '2', '--output', alone);
  expect(code, stderr).toBe(0);
  whole = await bytesOf(alone);
});
afterAll(() => folder.remove());

describe.each(launchers)('$name', (launcher) => {
  const test = it.skipIf(!launcher.isThere);

  test('trains on two ranks what one process does with --accumulate 2, to the bit, and the first alone speaks', async () => {
    const output = folder.path(`two ${launcher.name}`);
    const { code, stdout, stderr } = await launcher.start(2, 'train', ...fifty(), '--output', output).ended;
    expect(code, stderr).toBe(0);
    const found = await bytesOf(output);
    expect(found.metrics!.trimEnd().split('\n')).toHaveLength(50);
    expect(found).toEqual(whole);
    expect(stdout.match(/written to/g)).toHaveLength(1);
    expect(stderr.match(/Examples of reviews/g)).toHaveLength(1);
    expect(JSON.parse(await readFile(`${output}/run.json`, 'utf8'))).toMatchObject({ ranks: 2 });
  });

  test('refuses ranks with other settings, data or weights, and what one process does, in one sentence', async () => {
    const output = folder.path('refused');
    const [here, there] = [folder.path('here'), folder.path('there')] as const;
    for (const place of [here, there]) {
      await cp(tinyModel, join(place, 'model'), { recursive: true });
      await cp(task, join(place, 'rows.csv'));
    }
    const run = (place: string, ...more: readonly string[]) => ({
      folder: place,
      args: ['train', ...quickRun('rows.csv', '--method', 'lora', '--model', 'model', ...more), '--output', output],
    });
    const settings = await launcher.startEach(run(here, '--lr', '0.001'), run(here, '--lr', '0.002')).ended;
    expect(settings.stderr).toMatch(/^On rank 1 lr is 0\.002, on rank 0 0\.001\. Give all ranks the same settings\.$/m);
    expect(settings.code).toBe(1);
    const rows = await readFile(task, 'utf8');
    await writeFile(join(there, 'rows.csv'), rows.replace('no, thanks 3', 'no, many thanks 3'));
    const data = await launcher.startEach(run(here), run(there)).ended;
    expect(data.stderr).toMatch(/^Rank 1 has other training examples \(rows\.csv .*\) than rank 0\./m);
    await writeFile(join(there, 'rows.csv'), rows);
    const weights = join(there, 'model', 'model.safetensors');
    const bytes = await readFile(weights);
    bytes[bytes.length - 1]! ^= 1;
    await writeFile(weights, bytes);
    const model = await launcher.startEach(run(here), run(there)).ended;
    expect(model.stderr).toMatch(/^Rank 1 has other weights or another config\.json in \S*model than rank 0\./m);
    const alone = await launcher.start(2, 'merge', '--adapter', output, '--output', output).ended;
    expect(alone.stderr).toContain('diffora merge is done by one process, and 2 were started.');
    expect(alone.code).toBe(2);
  });

  test('stops after a step on all ranks where one is told to, and goes on with another number of them', async () => {
    const output = folder.path(`stopped ${launcher.name}`);
    const long = quickRun(task, '--method', 'lora', '--epochs', '60', '--save-steps', '200');
    const started = launcher.start(2, 'train', ...long, '--output', output);
    await until(() => processesOf(output).size === 2, started.ended);
    await until(async () => (await savedSteps(checkpointsOf(output))).length > 0, started.ended);
    process.kill(processesOf(output).get(1)!, 'SIGTERM');
    const { code, stderr } = await started.ended;
    expect(code, stderr).toBe(143);
    const [saved] = await savedSteps(checkpointsOf(output));
    expect(saved).toBeLessThan(300);
    const resumed = await diffora('train', '--resume', '--output', output, '--accumulate', '1', '--threads', '1');
    expect(resumed.code, resumed.stderr).toBe(0);
    expect(resumed.stderr).toMatch(/The run was started on 2 ranks and goes on with 1: last bits may differ/);
    expect(await isComplete(output)).toBe(true);
  });
});

describe.skipIf(launchers.every(({ isThere }) => !isThere))('killed ranks', () => {
  const kills = nightly ? 50 : 3;

  it(`end all of them in 30 s with a sentence, ${kills} times, and the run ends with the bytes of an unbroken one`, async () => {
    const seed = Number(process.env.DIFFORA_SEED ?? (nightly ? Date.now() % 10_000 : 1));
    const random = randomStream(seed, 'killed ranks');
    const there = launchers.filter(({ isThere }) => isThere);
    const kinds = [
      ['--method', 'lora', '--epochs', '10'],
      ['--search-steps', '8', '--search-team', '2', '--start', 'search', '--dropout', '0.1'],
      ['--method', 'adalora', '--adalora-tinit', '2', '--adalora-delta-t', '2', '--epochs', '6', '--eval-steps', '5'],
    ];
    const unbroken = new Map<string, Awaited<ReturnType<typeof bytesOf>>>();
    const flags = (kind: readonly string[]) => [...quickRun(task, ...kind), '--save-steps', '3'];
    let [killed, runs] = [0, 0];
    while (killed < kills) {
      const [kind, launcher] = [kinds[runs % kinds.length]!, there[runs % there.length]!];
      const size = nightly ? 2 + (runs % 2) : 2;
      const key = `${runs % kinds.length} ${size}`;
      if (!unbroken.has(key)) {
        const output = folder.path(`unbroken ${key}`);
        const { code, stderr } = await launcher.start(size, 'train', ...flags(kind), '--output', output).ended;
        expect(code, stderr).toBe(0);
        unbroken.set(key, await bytesOf(output));
      }
      const output = folder.path(`killed ${runs++}`);
      const wanted = Math.min(kills - killed, nightly ? 3 : 1);
      for (let i = 0; i < wanted; i++) {
        if (!(await killOne(launcher, size, output, i === 0 ? flags(kind) : ['--resume'], random))) break;
        killed++;
      }
      const { code, stderr } = await launcher.start(
        size,
        'train',
        ...(await again(output, flags(kind))),
        '--output',
        output,
      ).ended;
      expect(code, stderr).toBe(0);
      expect(await bytesOf(output)).toEqual(unbroken.get(key));
    }
    console.log(`killed ranks: ${killed} kills in ${runs} runs, seed ${seed}`);
  });

  const again = async (output: string, flags: readonly string[]) =>
    (await savedSteps(checkpointsOf(output))).length > 0 || (await isComplete(output))
      ? ['--resume']
      : [...flags, '--overwrite'];

  /** @returns false where the run had ended before */
  async function killOne(
    launcher: Launcher,
    size: number,
    output: string,
    args: readonly string[],
    random: ReturnType<typeof randomStream>,
  ): Promise<boolean> {
    const before = String(await savedSteps(checkpointsOf(output)));
    const started = launcher.start(size, 'train', ...args, '--output', output);
    await until(async () => processesOf(output).size === size || started.child.exitCode !== null);
    // After its first write, or before it.
    if (random.integer(4) > 0) {
      const moved = async () => String(await savedSteps(checkpointsOf(output)));
      await until(
        async () => started.child.exitCode !== null || (await moved()) !== before || (await isComplete(output)),
      );
    }
    await new Promise((done) => setTimeout(done, 1500 * random.uniform() ** 2));
    const pid = processesOf(output).get(random.integer(size));
    const at = performance.now();
    if (pid !== undefined) {
      try {
        process.kill(pid, 'SIGKILL');
      } catch {
        return false;
      }
    }
    const { code, stdout, stderr } = await started.ended;
    if (pid === undefined || code === 0) return false;
    expect(performance.now() - at).toBeLessThan(30_000);
    // Where the launcher leaves them the time, the others say it; else the launcher does.
    expect(`${stdout}\n${stderr}`).toMatch(/has ended before its work was done|Killed|signal 9/);
    const warnings: string[] = [];
    if ((await savedSteps(checkpointsOf(output))).length > 0) {
      await newestCheckpoint(checkpointsOf(output), (message) => warnings.push(message));
    }
    expect(warnings).toEqual([]);
    await until(() => processesOf(output).size === 0);
    return true;
  }
});
