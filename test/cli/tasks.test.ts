import { readFile, writeFile } from 'node:fs/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { readPeftAdapter } from '../../src/adapters/peft/index.js';
import { diffora, quickRun, resultOf, taskFileOf, temporaryFolder } from './run.js';

let folder: Awaited<ReturnType<typeof temporaryFolder>>;
let task: string;
const jsonOf = async (...parts: string[]) => JSON.parse(await readFile(folder.path(...parts), 'utf8'));
const train = (output: string, ...flags: string[]) =>
  diffora('train', ...quickRun(task), '--pair-column', 'title', '--output', folder.path(output), ...flags);

beforeAll(async () => {
  folder = await temporaryFolder();
  task = folder.path('pairs.jsonl');
  const rows = Array.from({ length: 40 }, (_, i) => {
    const [review, title] = [`the ${i % 2 === 0 ? 'good' : 'bad'} one ${i}`, `thanks ${i % 5}`];
    return JSON.stringify({ review, title, stars: (i % 7) + 0.5 });
  });
  await writeFile(task, `${rows.join('\n')}\n`);
});
afterAll(() => folder.remove());

describe('scores of sentence pairs', () => {
  it('are learned, evaluated and predicted with one output', async () => {
    const { code, stderr } = await train('run');
    expect(code, stderr).toBe(0);
    const record = await jsonOf('run', 'run.json');
    expect(Object.keys(record.scores.dev)).toEqual(['pearson', 'spearman']);
    expect(await jsonOf('run', 'adapter', 'task.json')).toMatchObject({
      kind: 'regression',
      labels: [],
      columns: { text: 'review', pair: 'title', label: 'stars' },
    });

    const held = await taskFileOf(task, '{ text: review, pair: title, label: stars }');
    const evaluated = await diffora('eval', '--adapter', folder.path('run'), '--task', held, '--json');
    expect(resultOf(evaluated.stdout).scores, evaluated.stderr).toEqual(record.scores.dev);
    const all = await diffora('eval', '--adapter', folder.path('run'), '--task', task, '--json');
    expect(resultOf(all.stdout), all.stderr).toMatchObject({ examples: 40, scores: { pearson: expect.any(Number) } });

    const predicted = await diffora('predict', '--adapter', folder.path('run'), '--input', task);
    const lines = predicted.stdout.trimEnd().split('\n');
    expect(lines, predicted.stderr).toHaveLength(40);
    for (const line of lines) {
      const { label, score, logits } = JSON.parse(line);
      expect([label, score]).toEqual([logits[0], logits[0]]);
    }
  });
});

describe('modules that share a pair', () => {
  it('are written out one by one, with equal matrices', async () => {
    const { code, stderr } = await train('shared', '--share', 'column');
    expect(code, stderr).toBe(0);
    const { gamma, modules } = await jsonOf('shared', 'dam.json');
    const { modules: adapted } = await readPeftAdapter(folder.path('shared', 'adapter'));
    expect(adapted.size).toBe(18);
    for (const [column, module] of modules.entries()) {
      const matrices = [0, 1, 2].map((layer) =>
        Array.from(adapted.get(`bert.encoder.layer.${layer}.${module}`)!['lora_A.weight']!.data),
      );
      const own = matrices.filter((_, layer) => gamma[layer][column] === 1);
      const shared = matrices.filter((_, layer) => gamma[layer][column] === 0);
      expect(new Set(own.map(String)).size).toBe(own.length);
      expect(new Set(shared.map(String)).size).toBe(Math.min(1, shared.length));
    }
  });
});
