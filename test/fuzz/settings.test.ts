import { writeFile } from 'node:fs/promises';
import { describe, expect, it } from 'vitest';
import { readTrainConfig } from '../../src/cli/trainConfig.js';
import { readJsonObject } from '../../src/files/json.js';
import { readYaml } from '../../src/files/yaml.js';
import { parseCompareConfig } from '../../src/jobs/compare/config.js';
import { readDescription } from '../../src/tasks/description.js';
import { errorOf } from '../data/files.js';
import { scratch, survivesBytes, survivesValues } from './harness.js';
import { mangled } from './mangle.js';

const path = scratch();

const trainConfig = {
  task: 'cola',
  model: 'some/model',
  method: 'lora',
  select: 'output-norm',
  targets: ['query', 'value'],
  rank: 4,
  alpha: 8.5,
  ranks: { query: 2 },
  alphas: { value: 1 },
  keep: 0.5,
  epochs: 2,
  lr: 1e-3,
  classWeights: { good: 1, bad: 2 },
  dropout: 'model',
  metrics: ['accuracy'],
  evalSteps: 10,
  keepBest: true,
  log: ['csv'],
};

const description = {
  name: 'reviews',
  train: 'train.csv',
  dev: 'dev.csv',
  columns: { text: 'review', label: 'stars', choices: 'choices' },
  kind: 'language',
  metrics: ['exact_match'],
  prompt: '{text}:',
  answer: '[0-9]+',
  maxNewTokens: 8,
};

const comparison = {
  title: 'Title',
  models: ['some/model'],
  tasks: ['cola', { task: 'rte', epochs: 1 }],
  methods: [{ name: 'head', method: 'head' }, { method: 'diffora', keep: 0.5 }, 'lora'],
  seeds: [1, 2],
  budget: 1000,
  tolerance: 0.1,
  learningRates: [1e-3, 1e-4],
  reference: 'LoRA',
  settings: { epochs: 1, metrics: ['accuracy'] },
};

type Read = (file: string) => Promise<unknown>;

const kinds: Readonly<Record<string, readonly [value: unknown, read: Read]>> = {
  'settings of a run': [trainConfig, (file) => readTrainConfig(file, {})],
  'a run.json as settings': [
    { format: 'diffora-run/1', command: 'train', config: trainConfig, versions: { diffora: '0.1.0' } },
    (file) => readTrainConfig(file, {}),
  ],
  'a task file': [description, readDescription],
  'a comparison': [comparison, async (file) => parseCompareConfig(await readYaml(file), file)],
};

/** Settings as a hand writes them. */
const asYaml = (value: object) =>
  Object.entries(value)
    .map(([key, one]) => `${key}: ${JSON.stringify(one)}\n`)
    .join('');

for (const [what, [value, read]] of Object.entries(kinds)) {
  survivesBytes(`${what} (YAML)`, async () => {
    const file = path('bytes.yaml');
    await writeFile(file, asYaml(value as object));
    return { path: file, read: () => read(file), names: [file, '--task is missing'] };
  });

  // JSON is YAML, so that one text is a form of both.
  for (const ending of ['yaml', 'json']) {
    survivesValues(`${what} (${ending})`, mangled(value), async () => {
      const file = path(`values.${ending}`);
      const readText = async (text: string) => {
        await writeFile(file, text);
        return read(file);
      };
      // A task may come from a flag, which is then what is asked for.
      return { read: readText, names: [file, '--task is missing'] };
    });
  }
}

const lists = 'abcdefghij';
const laughs = [...lists].map(
  (name, i) => `${name}: &${name} [${Array(9).fill(i === 0 ? 'ha' : `*${lists[i - 1]}`)}]\n`,
);

describe('a file of settings that would fill the memory, the stack or the day', () => {
  it.each<[string, string, RegExp]>([
    ['brackets in brackets', '['.repeat(100_000) + ']'.repeat(100_000), /nested more than 200 deep/],
    ['braces in braces', '{"a":'.repeat(100_000), /nested more than 200 deep/],
    [
      'brackets that other brackets seem to close',
      `${'}'.repeat(9000)}${'['.repeat(9000)}`,
      /nested more than 200 deep/,
    ],
    ['lists in lists', '- '.repeat(100_000), /nested more than 200 deep/],
    ['keys of keys', '? '.repeat(100_000), /nested more than 200 deep/],
    [
      'ever deeper lines',
      Array.from({ length: 3000 }, (_, i) => `${' '.repeat(i)}a:\n`).join(''),
      /indented .* 200 deep/,
    ],
    ['aliases of aliases (billion laughs)', laughs.join(''), /Excessive alias count/],
    ['a list that holds itself', 'a: &a [*a]\n', /stands inside of what it names/],
    ['more keys than can be compared', Array.from({ length: 20_000 }, (_, i) => `k${i}: 1\n`).join(''), /more entries/],
    ['two documents', 'a: 1\n---\nb: 2\n', /multiple documents/],
  ])('is refused: %s', async (_, text, message) => {
    const file = path('large.yaml');
    await writeFile(file, text);
    const error = await errorOf(readYaml(file));
    expect(error.message).toContain(file);
    expect(error.message).toMatch(message);
  });

  it('is read when it is merely long or deep', async () => {
    const file = path('long.yaml');
    for (const text of [
      `a: ${JSON.stringify(Array(2000).fill({ b: 1 }))}\n`
        .replaceAll(',', ', ')
        .slice(0, 30_000)
        .replace(/, [^,]*$/, ']'),
      `${'['.repeat(150)}${']'.repeat(150)}`,
      Array.from({ length: 150 }, (_, i) => `${' '.repeat(i)}a:\n`).join(''),
      `a: |\n${'  a line\n'.repeat(100_000)}`,
    ]) {
      await writeFile(file, text);
      expect(await readYaml(file)).toBeTypeOf('object');
    }
  });

  it('is refused where JSON is nested 100,000 deep', async () => {
    const file = path('deep.json');
    await writeFile(file, `{"a": ${'['.repeat(100_000)}${']'.repeat(100_000)}}`);
    expect((await errorOf(readJsonObject(file))).message).toContain(`${file} is not valid JSON (it is nested`);
    expect((await errorOf(readYaml(file))).message).toContain('nested more than 500 deep');
  });
});
