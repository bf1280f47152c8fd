import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { chmod, mkdir, readdir, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { DiffoError } from '../../src/errors.js';
import { train } from '../../src/jobs/train.js';
import type { TrainConfigInput } from '../../src/settings/config.js';
import { canMount, withDisk } from '../files/disk.js';
import { bytesOf, quickConfig, type Stop, stopwatch, trainUntil } from '../jobs/resumed.js';
import { REPOSITORY } from '../shared.js';
import { until } from '../until.js';
import { diffora, type Outcome, quickRun, type temporaryFolder, tinyModel, trainedReviews } from './run.js';
import { built, startDiffora } from './started.js';

let folder: Awaited<ReturnType<typeof temporaryFolder>>;
let task: string;
let run: string;
let compareFile: string;
beforeAll(async () => {
  ({ folder, task, run } = await trainedReviews());
  compareFile = folder.path('compare.yaml');
  const comparison = {
    models: [tinyModel],
    tasks: [{ task, textColumn: 'review', labelColumn: 'stars' }],
    budget: 1400,
    seeds: [1, 2, 3],
    learningRates: [1e-3],
    methods: [{ method: 'lora' }],
    settings: { epochs: 1, batchSize: 8, maxLength: 16 },
  };
  await writeFile(compareFile, JSON.stringify(comparison));
});
afterAll(() => folder.remove());

const quickSelect = (of: string) => {
  const usual = quickRun(of);
  return usual
    .filter((one, i) => one !== '--epochs' && usual[i - 1] !== '--epochs')
    .concat('--select', 'gradient-norm');
};

/** Every command that writes, into a folder. */
const writers: Readonly<Record<string, (into: string) => string[]>> = {
  train: (into) => ['train', ...quickRun(task), '--output', join(into, 'out')],
  'train --save-steps': (into) => ['train', ...quickRun(task), '--save-steps', '2', '--output', join(into, 'out')],
  select: (into) => ['select', ...quickSelect(task), '--output', join(into, 'out')],
  merge: (into) => ['merge', '--adapter', run, '--output', join(into, 'out')],
  export: (into) => ['export', '--adapter', run, '--format', 'onnx', '--output', join(into, 'out')],
  predict: (into) => ['predict', '--adapter', run, '--input', task, '--output', join(into, 'out')],
  compare: (into) => ['compare', compareFile, '--output', join(into, 'out')],
};

/** Refused in a sentence, before any of the work. */
function expectRefused({ code, stdout, stderr }: Outcome, ...telling: readonly string[]): void {
  expect({ code, stdout }, stderr).toEqual({ code: 1, stdout: '' });
  for (const part of telling) expect(stderr).toContain(part);
  expect(stderr).not.toMatch(/defect|^(search|train|evaluate|predict|gradients|compare):/m);
}

describe.skipIf(!canMount)('a read-only disk (skipped where no tmpfs may be mounted)', () => {
  it.each(Object.keys(writers))('is told before the work of %s', (command) =>
    withDisk(1 << 14, async (disk) => {
      disk.makeReadOnly();
      expectRefused(
        await diffora(...writers[command]!(disk.path())),
        disk.path(),
        'the file system is read-only. Choose a folder that can be written.',
      );
    }),
  );

  it('is told before a run with checkpoints goes on', () =>
    withDisk(1 << 14, async (disk) => {
      const config = quickConfig(task, { method: 'lora', saveSteps: 2 });
      await trainUntil(['train', 5], { config, output: disk.path() });
      disk.makeReadOnly();
      expectRefused(await diffora('train', '--resume', '--output', disk.path()), 'the file system is read-only');
      disk.resize(1 << 14);
      const { code, stderr } = await diffora('train', '--resume', '--output', disk.path());
      expect(code, stderr).toBe(0);
      expect(await bytesOf(disk.path())).toEqual(await bytesOf(run));
    }));

  it('that is itself the output is refused, unless it holds checkpoints', () =>
    withDisk(1 << 14, async (disk) => {
      const flags = [...quickRun(task), '--method', 'lora', '--output', disk.path()];
      expectRefused(await diffora('train', ...flags), disk.path(), 'is a disk of its own', 'Choose a folder on it');
      const { code, stderr } = await diffora('train', ...flags, '--save-steps', '3');
      expect(code, stderr).toBe(0);
      expect(await bytesOf(disk.path())).toEqual(await bytesOf(run));
    }));
});

/** Starts a program that file permissions hold for, as they do not for root. */
const unprivileged =
  process.getuid?.() === 0 ? ['setpriv', '--bounding-set=-dac_override', process.execPath] : [process.execPath];
const canDrop = spawnSync(unprivileged[0]!, [...unprivileged.slice(1), '--version']).status === 0;

describe.skipIf(!canDrop)('a folder that may not be written (skipped as root without setpriv)', () => {
  const start = (args: readonly string[]): Outcome => {
    const all = [...unprivileged.slice(1), built('dist', 'cli', 'main.js'), ...args];
    const { status, stdout, stderr } = spawnSync(unprivileged[0]!, all, { cwd: REPOSITORY, encoding: 'utf8' });
    return { code: status ?? -1, stdout, stderr };
  };

  it.each(Object.keys(writers))('is told before the work of %s', async (command) => {
    const locked = folder.path(`locked-for-${command}`);
    await mkdir(locked);
    await chmod(locked, 0o555);
    expectRefused(start(writers[command]!(locked)), locked, 'permission denied. Change its permissions');
    expect(await readdir(locked)).toEqual([]);
  });
});

describe('an output that nothing can be put into the place of', () => {
  it('is a link', async () => {
    await mkdir(folder.path('linked-to'));
    await symlink(folder.path('linked-to'), folder.path('link'));
    expectRefused(await diffora('train', ...quickRun(task), '--output', folder.path('link')), 'is a link');
  });

  it('is a folder where a file is to be', async () => {
    await mkdir(folder.path('taken'));
    const args = ['predict', '--adapter', run, '--text', 'no', '--overwrite', '--output', folder.path('taken')];
    expectRefused(await diffora(...args), folder.path('taken'), 'is a folder');
  });
});

describe('a folder that is removed under the work', () => {
  let count = 0;
  /** A run in a folder of its own, in which `remove` is done at a point of the work. */
  async function removing(
    at: Stop,
    settings: Partial<TrainConfigInput>,
    remove: (place: { parent: string; output: string }) => void,
  ) {
    const parent = folder.path(`removed-${count++}`);
    const output = join(parent, 'run');
    mkdirSync(parent);
    const config = quickConfig(task, { method: 'lora', ...settings });
    const reporter = stopwatch(at, () => remove({ parent, output }));
    const error = await train({ config, output, reporter }).then(
      () => undefined,
      (reason: unknown) => reason,
    );
    return { parent, output, error };
  }
  const removeOutput = ({ output }: { output: string }) => rmSync(output, { recursive: true });
  const removeParent = ({ parent }: { parent: string }) => rmSync(parent, { recursive: true });

  it.each<[string, Stop, Partial<TrainConfigInput>]>([
    ['between two checkpoints', ['train', 3], {}],
    ['at one', ['train', 4], {}],
    ['in a search', ['search', 1], { method: 'diffora' }],
    ['with evaluations', ['train', 1], { evalSteps: 1 }],
  ])('ends a run with checkpoints at the next of them (%s)', async (_, at, settings) => {
    for (const remove of [removeOutput, removeParent]) {
      const { parent, output, error } = await removing(at, { saveSteps: 2, ...settings }, remove);
      expect(error).toBeInstanceOf(DiffoError);
      expect((error as DiffoError).message).toBe(
        `${join(output, 'checkpoints')} was removed while it was written to, and what it held is lost. Start again.`,
      );
      expect(existsSync(parent) ? await readdir(parent) : []).toEqual([]);
    }
  });

  it('and made again by someone else, is not written to', async () => {
    const { output, error } = await removing(['train', 3], { saveSteps: 2 }, (place) => {
      removeOutput(place);
      mkdirSync(join(place.output, 'checkpoints'), { recursive: true });
      writeFileSync(join(place.output, 'note.txt'), 'mine');
    });
    expect(error).toBeInstanceOf(DiffoError);
    expect((error as DiffoError).message).toContain('was removed while it was written to');
    expect(await readdir(output)).toEqual(['note.txt']);
  });

  it.each<[string, Stop, Partial<TrainConfigInput>]>([
    ['without checkpoints', ['train', 3], {}],
    ['after the last checkpoint', ['evaluate', 4], { saveSteps: 2 }],
  ])('is made again for the result (%s)', async (_, at, settings) => {
    for (const remove of [removeOutput, removeParent]) {
      if (remove === removeOutput && settings.saveSteps === undefined) continue;
      const { parent, output, error } = await removing(at, settings, remove);
      expect(error).toBeUndefined();
      expect(await bytesOf(output)).toEqual(await bytesOf(run));
      expect(await readdir(parent)).toEqual(['run']);
    }
  });

  it('ends a comparison, in whose folder nothing is recorded then', async () => {
    const output = folder.path('compared');
    const compare = () => startDiffora('compare', compareFile, '--output', output, '--threads', '1').ended;
    const comparing = compare();
    await until(() => existsSync(join(output, 'records.jsonl')), comparing);
    // At once: the process of a run may be writing into it.
    renameSync(output, folder.path('removed'));
    const { code, stdout, stderr } = await comparing;
    expect({ code, stdout }, stderr).toEqual({ code: 1, stdout: '' });
    expect(stderr).toContain(`${output} was removed while it was written to`);
    expect(stderr).not.toContain('defect');
    expect(existsSync(join(output, 'records.jsonl'))).toBe(false);
    expect(await compare()).toMatchObject({ code: 0 });
  });
});
