import { cp, mkdir, readdir, readFile, rm, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { manifestChecksum } from '../../src/artifacts/checkpoints/format.js';
import { select } from '../../src/jobs/select.js';
import { silent } from '../../src/reporter.js';
import { bytesOf, quickConfig, stopwatch, trainUntil } from '../jobs/resumed.js';
import { diffora, quickRun, resultOf, reviewsFolder, type temporaryFolder, tinyModel } from './run.js';

let folder: Awaited<ReturnType<typeof temporaryFolder>>;
let task: string;
/** A run that was stopped after step 5 with checkpoints of steps 3 and 5, and the same without a break. */
let stopped: string;
let expected: Record<string, string>;
beforeAll(async () => {
  ({ folder, task } = await reviewsFolder());
  stopped = folder.path('stopped');
  await trainUntil(['train', 5], { config: quickConfig(task, { method: 'lora', saveSteps: 3 }), output: stopped });
  await diffora('train', ...quickRun(task), '--method', 'lora', '--output', folder.path('whole'));
  expected = await bytesOf(folder.path('whole'));
});
afterAll(() => folder.remove());

let count = 0;
/** A copy of the stopped run. */
async function broken(): Promise<string> {
  const output = folder.path(`broken-${count++}`);
  await cp(stopped, output, { recursive: true });
  return output;
}
const resume = (output: string, ...flags: string[]) => diffora('train', '--resume', '--output', output, ...flags);
const files = async (output: string, ...path: string[]) => (await readdir(join(output, ...path))).sort();

describe('train --resume', () => {
  it('needs nothing but --output, and leaves the folder of a run without a break', async () => {
    const output = await broken();
    expect(await files(output)).toEqual(['checkpoints']);
    expect(await files(output, 'checkpoints')).toEqual(['progress.jsonl', 'step-3', 'step-5']);
    expect(await files(output, 'checkpoints', 'step-5')).toEqual([
      'manifest.json',
      'state.json',
      'tensors.safetensors',
    ]);
    const { code, stderr, stdout } = await resume(output);
    expect(code, stderr).toBe(0);
    expect(stderr).toContain(`Going on from ${join(output, 'checkpoints', 'step-5')} (steps: train 5).`);
    expect(stderr).toMatch(/^train: 5 in /m);
    expect(stdout).toContain(`written to   ${output}`);
    expect(await bytesOf(output)).toEqual(expected);
    expect(await files(output)).toEqual(await files(folder.path('whole')));
  });

  it('says of a complete run that it is, and changes nothing', async () => {
    const output = folder.path('whole');
    expect(await resume(output)).toMatchObject({
      code: 0,
      stdout: `${output} is complete; there is nothing to resume.\n`,
    });
    const { stdout } = await resume(output, '--json');
    expect(resultOf(stdout)).toMatchObject({ command: 'train', output });
    expect(await bytesOf(output)).toEqual(expected);
  });

  it('clears what a process that was killed while it took the checkpoints away has left', async () => {
    const output = folder.path('ended');
    await cp(folder.path('whole'), output, { recursive: true });
    const left = join(output, '.run.partial-1-0123abcd', 'step-10');
    await mkdir(left, { recursive: true });
    await writeFile(join(left, 'tensors.safetensors'), '');
    expect((await resume(output)).stdout).toBe(`${output} is complete; there is nothing to resume.\n`);
    expect(await readdir(output)).toEqual(await readdir(folder.path('whole')));
  });

  it('starts from the beginning where nothing was saved, if it is told how', async () => {
    const output = folder.path('new');
    expect(await resume(output)).toMatchObject({ code: 2, stderr: expect.stringContaining('Nothing was saved in') });
    const flags = [...quickRun(task), '--method', 'lora'];
    expect(await resume(output, ...flags)).toMatchObject({ code: 2, stderr: expect.stringContaining('--save-steps') });
    const { code, stderr } = await resume(output, ...flags, '--save-steps', '4');
    expect(code, stderr).toBe(0);
    expect(stderr).toContain(`Nothing was saved in ${output} yet: the run starts from the beginning.`);
    expect(await bytesOf(output)).toEqual(expected);
  });

  it('refuses settings that differ, by name, and takes those that decide nothing', async () => {
    const output = await broken();
    for (const [flags, telling] of [
      [['--rank', '4'], 'rank is 4 and was 2'],
      [['--max-steps', '8'], 'maxSteps is 8 and was not set'],
      [['--method', 'dora', '--seed', '2'], 'method is "dora" and was "lora"; seed is 2 and was 1'],
      [['--eval-steps', '2'], 'evalSteps is 2 and was not set'],
      [['--overwrite'], 'Leave one out'],
    ] as const) {
      expect(await resume(output, ...flags)).toMatchObject({ code: 2, stderr: expect.stringContaining(telling) });
    }
    expect(await diffora('select', '--resume', '--output', output)).toMatchObject({
      code: 2,
      stderr: expect.stringContaining('a run of `diffora train`'),
    });
    const free = ['--rank', '2', '--save-steps', '2', '--keep-checkpoints', '1', '--log', 'csv'];
    const { code, stderr } = await resume(output, ...free);
    expect(code, stderr).toBe(0);
    expect(await bytesOf(output)).toEqual(expected);
  });

  it('warns of another number of threads', async () => {
    const { code, stderr } = await resume(await broken(), '--threads', '2');
    expect({ code, stderr }).toMatchObject({ code: 0, stderr: expect.stringContaining('last bits may differ') });
  });

  it('names data, model, tokenizer, matrix and adapter that have changed', async () => {
    const own = folder.path('own');
    await mkdir(own);
    await cp(tinyModel, join(own, 'model'), { recursive: true });
    await cp(task, join(own, 'reviews.csv'));
    await cp(folder.path('whole', 'adapter'), join(own, 'adapter'), { recursive: true });
    const select = ['--select', 'random', '--model', join(own, 'model')];
    await diffora(
      'select',
      ...['--task', join(own, 'reviews.csv'), '--text-column', 'review', '--label-column', 'stars'],
      ...['--max-length', '16', '--threads', '1'],
      ...select,
      '--output',
      join(own, 'where'),
    );
    const dam = join(own, 'where', 'dam.json');
    const config = quickConfig(join(own, 'reviews.csv'), {
      model: join(own, 'model'),
      method: 'lora',
      dam,
      saveSteps: 3,
    });
    const output = join(own, 'run');
    await trainUntil(['train', 5], { config, output });
    const changed = async (file: string, change: (text: Buffer) => Buffer, telling: string) => {
      const before = await readFile(file);
      await writeFile(file, change(before));
      expect(await resume(output)).toMatchObject({ code: 1, stderr: expect.stringContaining(telling) });
      await writeFile(file, before);
    };
    const replaced = (from: string, to: string) => (text: Buffer) =>
      Buffer.from(text.toString('latin1').replace(from, to), 'latin1');
    const flipped = (text: Buffer) => {
      const copy = Buffer.from(text);
      copy[copy.length - 1]! ^= 1;
      return copy;
    };
    await changed(
      join(own, 'reviews.csv'),
      replaced('the cat sat on the mat 7', 'the cat sat on the mat 8'),
      'examples have changed',
    );
    await changed(join(own, 'model', 'model.safetensors'), flipped, 'The weights or the config.json in');
    await changed(
      join(own, 'model', 'config.json'),
      replaced('{', '{ "extra": 1,'),
      'The weights or the config.json in',
    );
    await changed(join(own, 'model', 'tokenizer.json'), replaced('{', '{ "extra": 1,'), 'The tokenizer in');
    await changed(dam, replaced('"seed": 1', '"seed": 2'), `${dam} has changed`);
    expect((await resume(output)).code).toBe(0);
    const onward = join(own, 'onward');
    const adapter = join(own, 'adapter');
    await trainUntil(['train', 5], { config: quickConfig(task, { adapter, saveSteps: 3 }), output: onward });
    await writeFile(
      join(adapter, 'adapter_model.safetensors'),
      flipped(await readFile(join(adapter, 'adapter_model.safetensors'))),
    );
    expect(await resume(onward)).toMatchObject({
      code: 1,
      stderr: expect.stringContaining('is not the one that the run was started from'),
    });
  });

  it('refuses a checkpoint of another version or format', async () => {
    const output = await broken();
    const file = join(output, 'checkpoints', 'step-5', 'manifest.json');
    const change = async (part: object) => {
      const { checksum: _, ...manifest } = JSON.parse(await readFile(file, 'utf8'));
      const changed = { ...manifest, ...part };
      await writeFile(file, JSON.stringify({ ...changed, checksum: manifestChecksum(changed) }));
      return resume(output);
    };
    const { versions } = JSON.parse(await readFile(file, 'utf8'));
    expect(await change({ versions: { ...versions, diffora: '9.9.9' } })).toMatchObject({
      code: 1,
      stderr: expect.stringContaining('written by diffora 9.9.9'),
    });
    expect(await change({ format: 'diffora-checkpoint/9' })).toMatchObject({
      code: 1,
      stderr: expect.stringContaining('is of the format diffora-checkpoint/9'),
    });
    const older = await change({ format: 'diffora-checkpoint/2', versions: { ...versions, node: '1.2.3' } });
    expect(older).toMatchObject({ code: 0, stderr: expect.stringContaining('node 1.2.3') });
  });
});

describe('a damaged checkpoint', () => {
  const parts = ['manifest.json', 'state.json', 'tensors.safetensors'];

  it.each(parts)('is named, and the one before is gone on from: %s', async (part) => {
    for (const damage of ['flipped', 'cut', 'gone'] as const) {
      const output = await broken();
      const file = join(output, 'checkpoints', 'step-5', part);
      const bytes = await readFile(file);
      if (damage === 'cut') await truncate(file, Math.floor(bytes.length / 2));
      else if (damage === 'gone') await rm(file);
      else {
        bytes[Math.floor(bytes.length / 3)]! ^= 4;
        await writeFile(file, bytes);
      }
      const { code, stderr } = await resume(output);
      expect(code, stderr).toBe(0);
      expect(stderr).toContain(`Warning: ${file} `);
      expect(stderr).toContain('going on from step-3 before it.');
      expect(await bytesOf(output)).toEqual(expected);
    }
  });

  it('is the end where none is left, without a change', async () => {
    const output = await broken();
    for (const step of ['step-3', 'step-5']) await truncate(join(output, 'checkpoints', step, 'state.json'), 1);
    const { code, stderr } = await resume(output);
    expect(code).toBe(1);
    expect(stderr).toContain(`Nothing usable is saved in ${join(output, 'checkpoints')}`);
    expect(await files(output, 'checkpoints')).toEqual(['progress.jsonl', 'step-3', 'step-5']);
  });

  it('that was being written when the process ended is not looked at, and goes', async () => {
    const output = await broken();
    await cp(join(output, 'checkpoints', 'step-5'), join(output, 'checkpoints', '.step-7.partial-1-abcdef00'), {
      recursive: true,
    });
    await cp(folder.path('whole'), join(output, '.run.partial-1-abcdef00'), { recursive: true });
    expect((await resume(output)).code).toBe(0);
    expect(await bytesOf(output)).toEqual(expected);
    expect(await files(output)).toEqual(await files(folder.path('whole')));
  });
});

describe('a run folder', () => {
  it('with an unfinished run is not begun again without a word', async () => {
    const output = await broken();
    const flags = [...quickRun(task), '--method', 'lora', '--output', output];
    for (const more of [[], ['--save-steps', '2']]) {
      expect(await diffora('train', ...flags, ...more)).toMatchObject({
        code: 1,
        stderr: expect.stringContaining(`${output} holds an unfinished run. Go on with it by --resume`),
      });
    }
    const { code, stderr } = await diffora('train', ...flags, '--overwrite', '--save-steps', '2');
    expect(code, stderr).toBe(0);
    expect(await bytesOf(output)).toEqual(expected);
  });

  it('that is complete stays until --overwrite has made the new one', async () => {
    const output = folder.path('replaced');
    await cp(folder.path('whole'), output, { recursive: true });
    const config = quickConfig(task, { method: 'diffora', saveSteps: 2 });
    expect(await diffora('train', ...quickRun(task), '--save-steps', '2', '--output', output)).toMatchObject({
      code: 1,
    });
    await trainUntil(['train', 3], { config, output, overwrite: true });
    expect(await bytesOf(output)).toEqual(expected);
    expect((await resume(output)).code).toBe(0);
    expect((await bytesOf(output)).dam).not.toBe('');
  });

  it('keeps so many checkpoints while the run goes on', async () => {
    const output = folder.path('many');
    const config = quickConfig(task, { method: 'lora', saveSteps: 1, keepCheckpoints: 3 });
    await trainUntil(['train', 8], { config, output });
    expect(await files(output, 'checkpoints')).toEqual(['progress.jsonl', 'step-6', 'step-7', 'step-8']);
  });

  it('is left as it was by a run that ends before its first checkpoint', async () => {
    const output = folder.path('early');
    const { code } = await diffora('train', '--task', folder.path('none.csv'), '--save-steps', '1', '--output', output);
    expect(code).not.toBe(0);
    expect(await readdir(folder.path('.'))).not.toContain('early');
  });
});

it('train --config run.json repeats a run to the bit', async () => {
  const whole = folder.path('settings');
  const flags = ['--dropout', '0.1', '--eval-steps', '4', '--search-steps', '3', '--class-weights', 'good=2'];
  expect((await diffora('train', ...quickRun(task), ...flags, '--output', whole)).code).toBe(0);
  const { code, stderr } = await diffora(
    'train',
    '--config',
    join(whole, 'run.json'),
    '--output',
    folder.path('repeated'),
  );
  expect(code, stderr).toBe(0);
  expect(await bytesOf(folder.path('repeated'))).toEqual(await bytesOf(whole));
});

it('select --resume goes on in the search', async () => {
  const config = quickConfig(task, { saveSteps: 2, searchSteps: 6 }, 'select');
  const [whole, output] = [folder.path('where'), folder.path('where-resumed')];
  await select({ config, output: whole, reporter: silent });
  const controller = new AbortController();
  const reporter = stopwatch(['search', 5], () => controller.abort(new Error('stopped')));
  await expect(select({ config, output, reporter, signal: controller.signal })).rejects.toThrow('stopped');
  expect(await files(output, 'checkpoints')).toEqual(['progress.jsonl', 'step-4', 'step-5']);
  const { code, stderr } = await diffora('select', '--resume', '--output', output);
  expect(code, stderr).toBe(0);
  expect(await readFile(join(output, 'dam.json'))).toEqual(await readFile(join(whole, 'dam.json')));
  expect(await files(output)).toEqual(['dam.json', 'progress.jsonl', 'run.json']);
});
