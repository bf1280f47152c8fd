import { readdirSync } from 'node:fs';
import { readdir, readFile, writeFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { checkpointsOf } from '../../src/artifacts/checkpoints/format.js';
import { newestCheckpoint } from '../../src/artifacts/checkpoints/read.js';
import { resolveModel } from '../../src/checkpoint/resolve.js';
import { startHub } from '../checkpoint/hub-server.js';
import { canMount, withDisk } from '../files/disk.js';
import { bytesOf } from '../jobs/resumed.js';
import { nightly } from '../nightly.js';
import { diffora, type Outcome, quickRun, type temporaryFolder, tinyModel, trainedReviews } from './run.js';
import { startDiffora } from './started.js';

const large = 1 << 14;
const sentence = /^Cannot (write|lock|make the folder|write the folder) (\S+): the disk is full\. Free some space/m;

let folder: Awaited<ReturnType<typeof temporaryFolder>>;
let task: string;
let run: string;
/** More rows, whose predictions fill several pages. */
let many: string;
beforeAll(async () => {
  ({ folder, task, run } = await trainedReviews());
  many = folder.path('many.jsonl');
  await writeFile(many, Array.from({ length: 200 }, (_, i) => `{"review":"the cat ${i}"}\n`).join(''));
});
afterAll(() => folder.remove());

/** Names below a folder. */
const namesIn = (path: string) => readdirSync(path, { recursive: true }).map(String).sort();
const partials = (names: readonly string[]) => names.filter((name) => /\.partial-|\.lock/.test(name));

/** @returns the path that could not be written */
function expectFull({ code, stdout, stderr }: Outcome, disk: string): string {
  expect({ code, stdout }, stderr).toEqual({ code: 1, stdout: '' });
  expect(stderr).not.toContain('defect');
  const path = sentence.exec(stderr)?.[2];
  expect(path, stderr).toBeDefined();
  expect(path).toContain(disk);
  return path!;
}

describe.skipIf(!canMount)('a full disk (skipped where no tmpfs may be mounted)', () => {
  it.each([
    ['2', ['first checkpoint', 'later checkpoint']],
    // Only the last step is saved, so that the result is what has no room any more.
    ['100', ['later checkpoint', 'result']],
  ])(
    'ends a run with --save-steps %s wherever it writes, and once there is space it goes on to the same bytes',
    async (every, wanted) => {
      const settings = [...quickRun(task), '--method', 'lora', '--save-steps', every];
      const expected = await bytesOf(run);
      const places = new Map<string, number>();
      let resumed = 0;
      for (let size = 4, isDone = false; !isDone; size += nightly ? 12 : 20) {
        isDone = await withDisk(size, async (disk) => {
          const output = disk.path('run');
          const first = await diffora('train', ...settings, '--output', output, '--log', 'csv');
          if (first.code === 0) {
            expect(await bytesOf(output)).toEqual(expected);
            return true;
          }
          const step = /checkpoints\/step-(\d+)/.exec(expectFull(first, disk.path()))?.[1];
          const place = step === undefined ? 'result' : step === '0' ? 'first checkpoint' : 'later checkpoint';
          places.set(place, (places.get(place) ?? 0) + 1);
          const names = namesIn(disk.path());
          expect(partials(names)).toEqual([]);
          const isThere = names.includes('run');
          if (isThere) expect(await readdir(output)).toEqual(['checkpoints']);
          const refuse = (message: string) => expect.fail(message);
          const found = isThere ? await newestCheckpoint(checkpointsOf(output), refuse) : undefined;
          if (found !== undefined && found.manifest.step > 0) {
            expect(first.stderr).toContain(`${found.path} is kept, and --resume goes on from it.`);
            resumed++;
          }
          disk.resize(large);
          const again = ['train', '--resume', ...(found === undefined ? settings : []), '--output', output];
          const second = await diffora(...again);
          expect(second.code, second.stderr).toBe(0);
          expect(await bytesOf(output)).toEqual(expected);
          expect(partials(namesIn(disk.path()))).toEqual([]);
          return false;
        });
      }
      const shown = [...places].map(([place, count]) => `${count} in a ${place}`);
      console.log(`full disks, ${resumed} with a checkpoint to go on from: ${shown.join(', ')}`);
      expect([...places.keys()]).toEqual(expect.arrayContaining(wanted));
      expect(resumed).toBeGreaterThan(1);
    },
  );

  it.each<[string, (disk: string) => string[]]>([
    ['select', (disk) => ['select', ...quickSelect(), '--save-steps', '2', '--output', join(disk, 'out')]],
    [
      'train without checkpoints',
      (disk) => ['train', ...quickRun(task), '--method', 'lora', '--output', join(disk, 'out')],
    ],
    ['merge', (disk) => ['merge', '--adapter', run, '--output', join(disk, 'out')]],
    ['export', (disk) => ['export', '--adapter', run, '--format', 'onnx', '--output', join(disk, 'out')]],
    ['predict', (disk) => ['predict', '--adapter', run, '--input', many, '--output', join(disk, 'out')]],
  ])('leaves nothing of %s, which then ends well where there is space', async (_, command) => {
    let full = 0;
    // From no room at all: the size of a disk in memory counts in pages, and its own folder takes one.
    for (const size of [4, 8, 16, 32, 64, 100, 140, 160, 200, 400]) {
      const done = await withDisk(size, async (disk) => {
        const outcome = await diffora(...command(disk.path()));
        if (outcome.code === 0) return true;
        expectFull(outcome, disk.path());
        full++;
        const names = namesIn(disk.path());
        expect(partials(names)).toEqual([]);
        if (names.length > 0) expect(names.slice(0, 2)).toEqual(['out', 'out/checkpoints']);
        disk.resize(large);
        const again = await diffora(...command(disk.path()), ...(names.length > 0 ? ['--resume'] : []));
        expect(again.code, again.stderr).toBe(0);
        return false;
      });
      if (done) break;
    }
    expect(full).toBeGreaterThan(0);
  });

  const quickSelect = () => {
    const usual = quickRun(task);
    return usual.filter((one, i) => one !== '--epochs' && usual[i - 1] !== '--epochs').concat('--search-steps', '5');
  };

  it('ends a comparison, which goes on where it was', async () => {
    const config = folder.path('compare.yaml');
    const comparison = {
      models: [tinyModel],
      tasks: [{ task, textColumn: 'review', labelColumn: 'stars' }],
      budget: 1400,
      seeds: [1, 2, 3],
      learningRates: [1e-3],
      methods: [{ method: 'lora' }],
      settings: { epochs: 1, batchSize: 8, maxLength: 16 },
    };
    await writeFile(config, JSON.stringify(comparison));
    await withDisk(72, async (disk) => {
      const output = disk.path('comparison');
      const args = ['compare', config, '--output', output, '--threads', '1'];
      const first = await startDiffora(...args).ended;
      expect(first.code, first.stderr).toBe(1);
      expect(first.stderr).toContain('the disk is full');
      expect(first.stderr).not.toContain('defect');
      expect(partials(namesIn(disk.path()))).toEqual([]);
      disk.resize(large);
      const second = await startDiffora(...args).ended;
      expect(second.code, second.stderr).toBe(0);
      expect(second.stdout).toContain('3 done, 0 failed, 0 missing');
      expect(namesIn(output)).toContain('report.html');
    });
  });

  it('or a read-only one ends a download into the cache, which is completed when there is space', async () => {
    const model = Object.fromEntries(
      await Promise.all(
        ['config.json', 'model.safetensors', 'tokenizer.json', 'tokenizer_config.json'].map(
          async (name) => [name, await readFile(join(tinyModel, name))] as const,
        ),
      ),
    );
    const hub = await startHub({ 'org/tiny': { files: model } });
    try {
      await withDisk(80, async (disk) => {
        const env = { PATH: '', HOME: disk.path(), HF_HOME: disk.path('hf'), HF_ENDPOINT: hub.endpoint };
        const resolve = () =>
          resolveModel('org/tiny', {
            log: () => {},
            warn: () => {},
            env,
            patience: { firstContact: 60_000, stall: 60_000 },
          });
        disk.makeReadOnly();
        await expect(resolve()).rejects.toThrow(`${disk.path('hf')}`);
        await expect(resolve()).rejects.toThrow('the file system is read-only');
        disk.resize(80);
        await expect(resolve()).rejects.toThrow('the disk is full');
        const weights = namesIn(disk.path('hf')).filter((name) => basename(name) === 'model.safetensors');
        expect(weights).toEqual([]);
        disk.resize(large);
        const { folder: snapshot } = await resolve();
        expect(await readFile(join(snapshot, 'model.safetensors'))).toEqual(model['model.safetensors']);
      });
    } finally {
      await hub.close();
    }
  });
});
