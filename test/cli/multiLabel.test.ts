import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, expect, it } from 'vitest';
import { loadAdapter } from '../../src/library/loadAdapter.js';
import { diffora, resultOf, temporaryFolder, tinyModel } from './run.js';

const folder = await temporaryFolder();
afterAll(() => folder.remove());

async function json(...args: string[]) {
  const { code, stdout, stderr } = await diffora(...args, '--json');
  expect(code, stderr).toBe(0);
  return resultOf(stdout);
}

it('several labels are learned, with thresholds that predict and eval keep, and merged', async () => {
  const names = ['book', 'film', 'man'];
  const rows = Array.from({ length: 32 }, (_, i) => {
    const labels = names.filter((_, bit) => (i >> bit) % 2 === 1);
    return `${JSON.stringify({ text: `so good ${labels.join(' ')}`, labels })}\n`;
  });
  await writeFile(folder.path('rows.jsonl'), rows.join(''));
  const task = folder.path('rows.yaml');
  await writeFile(task, 'kind: multi-label\ntrain: rows.jsonl\ndev: rows.jsonl\nthresholds: choose\n');
  const run = folder.path('run');
  const settings = ['--method', 'diffora', '--rank', '4', '--epochs', '30', '--lr', '1e-2', '--batch-size', '8'];
  const flags = ['--model', tinyModel, '--task', task, ...settings, '--threads', '1', '--output', run];
  const { scores } = await json('train', ...flags);
  expect(scores.dev.micro_f1).toBeGreaterThan(0.9);
  const { thresholds } = JSON.parse(await readFile(join(run, 'adapter', 'task.json'), 'utf8'));
  expect(thresholds).toHaveLength(3);
  expect((await json('eval', '--adapter', run, '--task', task)).scores).toEqual(scores.dev);
  const found = await json('predict', '--adapter', run, '--text', 'so good film');
  expect(found.labels).toEqual(names.filter((name, i) => found.scores[name] >= thresholds[i]));
  const adapter = await loadAdapter(run);
  expect(await adapter.predict(['so good film'])).toEqual([found]);
  await adapter.close();
  await json('merge', '--adapter', run, '--output', folder.path('merged'));
  const own = await json('predict', '--model', folder.path('merged'), '--text', 'so good film');
  expect(own.scores.film).toBeCloseTo(found.scores.film, 5);
});
