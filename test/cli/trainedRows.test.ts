import { cp, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { knownRows, readKnownRows } from '../../src/data/knownRows.js';
import { diffora, quickRun, resultOf, type temporaryFolder, trainedReviews } from './run.js';

let folder: Awaited<ReturnType<typeof temporaryFolder>>;
let task: string;
let run: string;
beforeAll(async () => {
  ({ folder, task, run } = await trainedReviews());
});
afterAll(() => folder.remove());

async function evaluated(adapter: string, rows: string) {
  const columns = ['--text-column', 'review', '--label-column', 'stars'];
  const { code, stdout, stderr } = await diffora('eval', '--adapter', adapter, '--task', rows, ...columns, '--json');
  expect(code, stderr).toBe(0);
  const warnings = stdout.split('\n').filter((line) => line.includes('trained on'));
  return { result: resultOf(stdout), warnings };
}

describe('eval on rows that an adapter was trained on', () => {
  it('says how many they are: of 40 rows the 36 that were not held out', async () => {
    const { result, warnings } = await evaluated(run, task);
    expect(result).toMatchObject({ examples: 40, trainedOn: 36 });
    expect(warnings.join()).toContain('36 of 40 rows to be scored have been trained on, which flatters the scores.');
  });

  it('says nothing of others', async () => {
    const others = folder.path('others.csv');
    await writeFile(others, 'review,stars\na cat,good\na dog,bad\n');
    const { result, warnings } = await evaluated(run, others);
    expect(result).toMatchObject({ examples: 2, trainedOn: 0 });
    expect(warnings).toEqual([]);
  });

  it('knows them where the adapter lies elsewhere, by 5 bytes a row', async () => {
    const copy = folder.path('copy');
    await cp(join(run, 'adapter'), copy, { recursive: true });
    const { rows } = JSON.parse(await readFile(join(copy, 'trained_rows.json'), 'utf8'));
    expect(Buffer.from(rows, 'base64')).toHaveLength(5 * 36);
    expect((await evaluated(copy, task)).result.trainedOn).toBe(36);
    await rm(join(copy, 'trained_rows.json'));
    expect((await evaluated(copy, task)).result).not.toHaveProperty('trainedOn');
  });

  it('refuses a file of hashes that is broken', async () => {
    const broken = folder.path('broken');
    await cp(join(run, 'adapter'), broken, { recursive: true });
    await writeFile(join(broken, 'trained_rows.json'), '{"format": "diffora-rows/1", "rows": "AAA"}');
    const { code, stderr } = await diffora('predict', '--adapter', broken, '--text', 'a');
    expect(code).toBe(1);
    expect(stderr).toMatch(/trained_rows\.json: rows: they are no base64 of hashes of five bytes\.$/m);
  });

  it('knows those of an adapter that was gone on from, too', async () => {
    const more = folder.path('more.csv');
    const rows = Array.from({ length: 20 }, (_, i) => `the dog ${i},${i % 2 ? 'good' : 'bad'}\n`).join('');
    await writeFile(more, `review,stars\n${rows}`);
    const output = folder.path('second');
    const { code, stderr } = await diffora('train', ...quickRun(more, '--adapter', run), '--output', output);
    expect(code, stderr).toBe(0);
    expect((await evaluated(output, task)).result.trainedOn).toBe(36);
    expect((await evaluated(output, more)).result.trainedOn).toBe(18);
  });
});

it('training says how many of the rows that score it it learns from', async () => {
  const description = folder.path('same.yaml');
  await writeFile(description, 'train: reviews.csv\ndev: reviews.csv\ncolumns: { text: review, label: stars }\n');
  const flags = quickRun(description).filter((_, i, all) => !/column/.test(`${all[i]} ${all[i - 1]}`));
  const { code, stderr } = await diffora('train', ...flags, '--output', folder.path('same'));
  expect(code, stderr).toBe(0);
  expect(stderr).toContain('Warning: same dev: all 40 rows to be scored have been trained on');
});

describe('rows', () => {
  const a = { id: '1', text: 'a' };
  const b = { id: '2', text: 'a', pair: 'b' };

  it('are known by their texts, whatever their number and label', () => {
    const known = knownRows([a]);
    expect(known.count([{ id: '9', text: 'a', label: 1 }, b, { id: '3', text: 'b' }])).toBe(1);
    expect(known.and(knownRows([b])).count([a, b])).toBe(2);
  });

  it('are written as the first five bytes of the sha256 of ["a",null] in base64', () => {
    // printf '["a",null]' | sha256sum
    expect(String(knownRows([a]))).toBe('rrsEdMU=');
    expect(readKnownRows(String(knownRows([a, b])))!.count([a, b])).toBe(2);
  });
});

it('a task of a file that is called unknown keeps its labels', async () => {
  const rows = folder.path('unknown.csv');
  await cp(task, rows);
  const output = folder.path('unknown');
  const { code, stderr } = await diffora('train', ...quickRun(rows, '--method', 'lora'), '--output', output);
  expect(code, stderr).toBe(0);
  const { stdout } = await diffora('predict', '--adapter', output, '--text', 'a cat');
  expect(stdout).toMatch(/^(good|bad) {2}/);
});
