import { existsSync, readdirSync } from 'node:fs';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import { openCheckpoint } from '../../src/checkpoint/open.js';
import { writeSafetensors } from '../../src/checkpoint/safetensors-write.js';
import type { ComputedTensor } from '../../src/checkpoint/safetensorsLayout.js';
import { type ExportFormatName, exportFormats } from '../../src/export/formats.js';
import { exportModel } from '../../src/jobs/export.js';
import { silent } from '../../src/reporter.js';
import { diffora, temporaryFolder } from '../cli/run.js';
import { startDiffora } from '../cli/started.js';
import { canMount, withDisk } from '../files/disk.js';
import { until } from '../until.js';
import { modelOf } from './models.js';

const folder = await temporaryFolder();
afterAll(() => folder.remove());
let model: string;
beforeAll(async () => {
  model = await modelOf('llama', folder.path('llama'));
});

/** The same with 10 million numbers, which take more than a moment to be written in every dtype. */
async function wideModel(): Promise<string> {
  const path = folder.path('wide');
  if (existsSync(path)) return path;
  const width = 100_000;
  await modelOf('llama', path, { config: { intermediate_size: width } });
  const { tensors } = await openCheckpoint(model);
  const widened = [...tensors.values()].map(({ name, shape }): ComputedTensor => {
    const wide = name.includes('.mlp.') ? shape.map((size) => (size === 24 ? width : size)) : shape;
    const values = new Float32Array(wide.reduce((a, b) => a * b, 1)).fill(0.01);
    return { name, shape: wide, as: 'bfloat16', compute: async () => values };
  });
  await writeSafetensors(join(path, 'model.safetensors'), widened, { format: 'pt' });
  return path;
}

const formats = Object.keys(exportFormats) as ExportFormatName[];
/** All that lies in a folder, hidden files too. */
const namesIn = (path: string) => readdirSync(path, { recursive: true }).map(String).sort();

describe.each(formats)('--format %s', (format) => {
  const { dtypes, markers } = exportFormats[format];

  it('leaves nothing where it is interrupted between two files', async () => {
    const into = folder.path(`interrupted-${format}`);
    await mkdir(into);
    const stop = new AbortController();
    let updates = 0;
    const update = () => {
      updates++;
      stop.abort(new Error('Ctrl-C'));
    };
    const reporter = { ...silent, phase: () => ({ update, end: () => {} }) };
    const { signal } = stop;
    const exporting = exportModel({ model, format, dtypes, output: join(into, 'out'), reporter, signal });
    await expect(exporting).rejects.toThrow('Ctrl-C');
    expect(updates).toBe(1);
    expect(namesIn(into)).toEqual([]);
  });

  it('leaves nothing where Ctrl-C comes while a process writes', async () => {
    const into = folder.path(`stopped-${format}`);
    await mkdir(into);
    const output = join(into, 'out');
    const args = ['--model', await wideModel(), '--format', format, '--dtype', dtypes.join(','), '--output', output];
    const { child, ended } = startDiffora('export', ...args);
    onTestFinished(() => void child.kill('SIGKILL'));
    // A file of weights is there, which it has begun to write.
    await until(() => namesIn(into).some((name) => /\.(onnx|gguf)/.test(name)), ended);
    child.kill('SIGINT');
    const { code, stdout, stderr } = await ended;
    expect({ code, stdout }, stderr).toEqual({ code: 130, stdout: '' });
    expect(stderr.trimEnd().split('\n').at(-1)).toBe(`Interrupted; nothing was written to ${output}.`);
    expect(namesIn(into)).toEqual([]);
  });

  it.skipIf(!canMount)('leaves nothing on a full disk, and ends well where there is space', async () => {
    const all = ['export', '--model', model, '--format', format, '--dtype', dtypes.join(',')];
    let full = 0;
    for (const size of [4, 16, 32, 64, 100, 128, 160, 200, 400]) {
      const isDone = await withDisk(size, async (disk) => {
        const { code, stderr } = await diffora(...all, '--output', disk.path('out'));
        if (code === 0) return true;
        expect(stderr).toMatch(
          /^Cannot (write|make the folder|write the folder) \S+: the disk is full\. Free some space/m,
        );
        expect(namesIn(disk.path())).toEqual([]);
        full++;
        return false;
      });
      if (isDone) break;
    }
    expect(full).toBeGreaterThan(1);
  });

  it('replaces its own folder alone with --overwrite, and keeps the old one where the new one fails', async () => {
    const output = folder.path(`again-${format}`);
    const args = (...flags: string[]) => ['export', '--model', model, '--format', format, '--output', output, ...flags];
    expect((await diffora(...args())).code).toBe(0);
    const refused = await diffora(...args());
    expect(refused).toMatchObject({ code: 1, stderr: expect.stringContaining('or replace it with --overwrite') });
    await writeFile(join(output, 'left-over'), 'from before');
    const broken = { model, format, output, overwrite: true, signal: AbortSignal.abort(new Error('stopped')) };
    await expect(exportModel(broken)).rejects.toThrow('stopped');
    expect(await readFile(join(output, 'left-over'), 'utf8')).toBe('from before');
    expect((await diffora(...args('--overwrite'))).code).toBe(0);
    expect(namesIn(output)).not.toContain('left-over');

    const foreign = folder.path(`foreign-${format}`);
    await mkdir(foreign);
    await writeFile(join(foreign, 'thesis.txt'), 'years of work');
    const kept = await diffora('export', '--model', model, '--format', format, '--output', foreign, '--overwrite');
    expect(kept).toMatchObject({ code: 1, stderr: expect.stringContaining(`has no ${markers.join(' or ')}`) });
    expect(namesIn(foreign)).toEqual(['thesis.txt']);
  });

  it.each<[what: string, name: string, code: number, sentence: RegExp]>([
    ['an empty folder', 'empty', 1, /empty/],
    ['a folder that is not there', 'nowhere', 2, /nowhere/],
    ['a config.json that is none', 'broken', 1, /broken\/config\.json/],
  ])('says in a sentence what is wrong with %s', async (_, name, code, sentence) => {
    const path = folder.path(`${format}-${name}`);
    if (name === 'empty') await mkdir(path);
    if (name === 'broken') await modelOf('llama', path);
    if (name === 'broken') await writeFile(join(path, 'config.json'), '{"model_type": ');
    for (const kind of ['--model', '--adapter']) {
      const output = folder.path(`of-${format}-${name}`);
      const outcome = await diffora('export', kind, path, '--format', format, '--output', output);
      expect(outcome.code, outcome.stderr).toBe(kind === '--model' ? code : outcome.code);
      expect(outcome.code).not.toBe(0);
      expect(outcome.stderr).not.toContain('defect');
      expect(outcome.stderr).toMatch(kind === '--model' ? sentence : /adapter/);
      expect(namesIn(folder.path('.'))).not.toContain(`of-${format}-${name}`);
    }
  });
});
