import { cp, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openCheckpoint } from '../../src/checkpoint/open.js';
import { weightsHash } from '../../src/checkpoint/weightsHash.js';
import { changedModel } from '../models/brokenModel.js';
import { diffora, quickRun, type temporaryFolder, tinyModel, trainedReviews } from './run.js';

let folder: Awaited<ReturnType<typeof temporaryFolder>>;
let task: string;
let run: string;
/** The base with one number changed, and with another key in its config.json. */
let otherWeight: string;
let otherConfig: string;
beforeAll(async () => {
  ({ folder, task, run } = await trainedReviews());
  otherWeight = await changedModel(folder.path('other-weight'), 'encoder.layer.1.output.dense.bias', (values) => {
    values[7]! += 1;
  });
  otherConfig = folder.path('other-config');
  await cp(tinyModel, otherConfig, { recursive: true });
  const config = JSON.parse(await readFile(join(otherConfig, 'config.json'), 'utf8'));
  await writeFile(join(otherConfig, 'config.json'), JSON.stringify({ ...config, hidden_act: 'relu' }));
});
afterAll(() => folder.remove());

const commands: Readonly<Record<string, (name: string) => string[]>> = {
  eval: () => ['eval', '--adapter', run, '--task', task, '--text-column', 'review', '--label-column', 'stars'],
  predict: () => ['predict', '--adapter', run, '--text', 'no, thanks'],
  merge: (name) => ['merge', '--adapter', run, '--output', folder.path(name)],
};
let count = 0;
const using = (command: string, ...flags: string[]) => diffora(...commands[command]!(`merged-${count++}`), ...flags);

const refusal = 'are not those that';

describe('the base model of an adapter', () => {
  it('has its hash in task.json, which is the same wherever the model lies and however its JSON is laid out', async () => {
    const copy = folder.path('elsewhere', 'copy');
    await cp(tinyModel, copy, { recursive: true });
    const config = JSON.parse(await readFile(join(copy, 'config.json'), 'utf8'));
    await writeFile(join(copy, 'config.json'), JSON.stringify(config));
    const { baseSha256 } = JSON.parse(await readFile(join(run, 'adapter', 'task.json'), 'utf8'));
    expect(baseSha256).toBe(await weightsHash(await openCheckpoint(tinyModel, 'some/name')));
    expect(baseSha256).toBe(await weightsHash(await openCheckpoint(copy)));
    for (const other of [otherWeight, otherConfig]) {
      expect(await weightsHash(await openCheckpoint(other))).not.toBe(baseSha256);
    }
  });

  it.each(Object.keys(commands))('may lie elsewhere, and is refused where it is another one (%s)', async (command) => {
    const copy = folder.path(`copy for ${command}`);
    await cp(tinyModel, copy, { recursive: true });
    const [named, copied] = [await using(command), await using(command, '--model', copy)];
    for (const { code, stderr } of [named, copied]) {
      expect(code, stderr).toBe(0);
      expect(stderr).not.toContain(refusal);
    }
    for (const other of [otherWeight, otherConfig]) {
      const refused = await using(command, '--model', other);
      expect(refused).toMatchObject({ code: 1, stdout: '' });
      const told = refused.stderr.trimEnd().split('\n').at(-1)!;
      for (const part of [other, join(run, 'adapter'), refusal, tinyModel, '--model', '--any-base']) {
        expect(told).toContain(part);
      }
      const taken = await using(command, '--model', other, '--any-base');
      expect(taken.code, taken.stderr).toBe(0);
      expect(taken.stderr).toContain(`Warning: The weights or the config.json in ${other} ${refusal}`);
    }
  });

  it('is checked too where it was changed in its place, and where training goes on from the adapter', async () => {
    const own = folder.path('own');
    await cp(tinyModel, own, { recursive: true });
    const flagsOf = (...more: string[]) => quickRun(task, ...more).map((one) => (one === tinyModel ? own : one));
    const first = folder.path('own-run');
    expect((await diffora('train', ...flagsOf('--method', 'bitfit'), '--output', first)).code).toBe(0);
    await cp(join(otherWeight, 'model.safetensors'), join(own, 'model.safetensors'));
    expect(await diffora('predict', '--adapter', first, '--text', 'no')).toMatchObject({
      code: 1,
      stderr: expect.stringContaining(refusal),
    });
    const goesOn = ['train', ...flagsOf('--adapter', first), '--output', folder.path('second')];
    expect(await diffora(...goesOn)).toMatchObject({ code: 1, stderr: expect.stringContaining(refusal) });
    const taken = await diffora(...goesOn, '--any-base');
    expect(taken.code, taken.stderr).toBe(0);
    expect(taken.stderr).toContain('(--any-base)');
    // What was trained on the changed base belongs to that one.
    expect(await diffora('predict', '--adapter', folder.path('second'), '--text', 'no')).toMatchObject({ code: 0 });
  });

  it('cannot be checked where the adapter has no hash, and that is said', async () => {
    const old = folder.path('old');
    await cp(join(run, 'adapter'), old, { recursive: true });
    const { baseSha256: _, ...rest } = JSON.parse(await readFile(join(old, 'task.json'), 'utf8'));
    await writeFile(join(old, 'task.json'), JSON.stringify(rest));
    const { code, stderr } = await diffora('predict', '--adapter', old, '--text', 'no', '--model', otherWeight);
    expect(code, stderr).toBe(0);
    expect(stderr).toContain(`${old} does not say which weights it was trained on`);
  });

  it('that has the adapter folded in is still told so', async () => {
    const merged = folder.path('folded');
    await diffora('merge', '--adapter', run, '--output', merged);
    expect(await using('predict', '--model', merged)).toMatchObject({
      code: 1,
      stderr: expect.stringContaining('has this adapter folded in already'),
    });
  });
});
