import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { diffora, quickRun, reviewsFolder } from '../cli/run.js';

let made: Awaited<ReturnType<typeof reviewsFolder>>;
beforeAll(async () => {
  made = await reviewsFolder();
});
afterAll(() => made.folder.remove());

type Line = Readonly<Record<string, unknown>> & { readonly step?: number };
const linesOf = async (...path: string[]): Promise<Line[]> =>
  (await readFile(join(...path), 'utf8'))
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line));
const plain = ({ seconds: _, ...line }: Line): Line => line;

it('tells every step of a run, the matrix after each step of its search, and how it ended', async () => {
  const output = made.folder.path('whole');
  const { code, stderr } = await diffora('train', ...quickRun(made.task), '--eval-steps', '4', '--output', output);
  expect(code, stderr).toBe(0);
  const lines = await linesOf(output, 'progress.jsonl');
  expect(lines[0]).toMatchObject({ event: 'begin', format: 'diffora-progress/1', command: 'train', isResumed: false });
  expect((lines[0]!.config as Line).method).toBe('diffora');
  expect(plain(lines.at(-1)!)).toEqual({ event: 'end', outcome: 'finished' });
  // The lines of metrics.jsonl, those of the search with how many there are to be.
  const told = lines.filter(({ phase }) => phase !== undefined).map(plain);
  const search = told.filter(({ phase }) => phase === 'search').length;
  const written = (await linesOf(output, 'metrics.jsonl')).map((line) =>
    line.phase === 'search' ? { ...line, totalSteps: search } : line,
  );
  expect(told).toEqual(written);
  const frames = lines.filter(({ event }) => event === 'matrix');
  expect(frames.map(({ step }) => step)).toEqual(Array.from({ length: search }, (_, i) => i));
  const dam = JSON.parse(await readFile(join(output, 'dam.json'), 'utf8'));
  const selected = lines.find(({ event }) => event === 'selected')!;
  expect(selected).toMatchObject({ select: 'diffora', modules: dam.modules, gamma: dam.gamma });
  expect(frames.at(-1)).toMatchObject({ values: selected.values, gamma: dam.gamma });
  expect(selected.values).toEqual(dam.values.map((row: number[]) => row.map((value) => Number(value.toPrecision(4)))));
});

it('is added to by a run that goes on, and says why one failed', async () => {
  const output = made.folder.path('parts');
  const args = ['train', ...quickRun(made.task, '--method', 'lora'), '--save-steps', '1', '--output', output];
  const failing = await diffora(...args, '--lr', '1e30', '--max-skipped-steps', '1');
  expect(failing.code).toBe(1);
  const lines = await linesOf(output, 'checkpoints', 'progress.jsonl');
  expect(lines.at(-1)).toMatchObject({ event: 'end', outcome: 'failed' });
  expect(String(lines.at(-1)!.error)).toContain('The training diverged');
  await diffora('train', '--resume', '--output', output);
  const more = await linesOf(output, 'checkpoints', 'progress.jsonl');
  expect(more.slice(0, lines.length)).toEqual(lines);
  expect(more[lines.length]).toMatchObject({ event: 'begin', isResumed: true });
});

it('leaves nothing of a run that failed before its first checkpoint', async () => {
  const output = made.folder.path('early');
  const { code } = await diffora('train', ...quickRun('nowhere.csv'), '--save-steps', '1', '--output', output);
  expect(code).not.toBe(0);
  await expect(readFile(join(output, 'checkpoints', 'progress.jsonl'))).rejects.toThrow('ENOENT');
});
