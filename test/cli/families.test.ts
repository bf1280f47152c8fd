import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { expectClose } from '../fixtures.js';
import { diffora, letterModel, resultOf, reviewsFolder, type temporaryFolder } from './run.js';

let folder: Awaited<ReturnType<typeof temporaryFolder>>;
let task: string;

beforeAll(async () => {
  ({ folder, task } = await reviewsFolder());
});
afterAll(() => folder.remove());

const modelOf = (name: string) => letterModel(name, folder.path(`model-${name}`));

const families = [
  'bert',
  'roberta',
  'xlm-roberta',
  'distilbert',
  'deberta-v3',
  'albert',
  'nomic-bert',
  'llama',
  'mistral',
  'qwen2',
  'qwen3',
  'gpt2',
];

describe.each(families)('%s from the command line', (name) => {
  const run = () => folder.path(`run-${name}`);

  it('trains where DiffoRA decides, predicts and merges; the merged checkpoint predicts the same', async () => {
    const model = await modelOf(name);
    const settings = ['--max-length', '16', '--batch-size', '8', '--epochs', '1', '--rank', '2', '--lr', '1e-2'];
    const columns = ['--text-column', 'review', '--label-column', 'stars'];
    const common = ['--task', task, ...columns, '--threads', '1', ...settings];
    const trained = await diffora('train', '--model', model, ...common, '--method', 'diffora', '--output', run());
    expect(trained.code, trained.stderr).toBe(0);
    const text = ['--text', 'a very good film', '--max-length', '16', '--json'];
    const adapted = await diffora('predict', '--adapter', run(), ...text);
    expect(adapted.code, adapted.stderr).toBe(0);
    const merged = folder.path(`merged-${name}`);
    const merging = await diffora('merge', '--adapter', run(), '--output', merged);
    expect(merging.code, merging.stderr).toBe(0);
    const own = await diffora('predict', '--model', merged, ...text);
    expect(own.code, own.stderr).toBe(0);
    const [withAdapter, withMerged] = [resultOf(adapted.stdout), resultOf(own.stdout)];
    expect(withMerged.label).toBe(withAdapter.label);
    expectClose('logits', withMerged.logits, withAdapter.logits, { relative: 1e-4, floor: 1e-5 });
    const base = await diffora('predict', '--model', model, ...text);
    if (base.code === 0) expect(resultOf(base.stdout).logits).not.toEqual(withMerged.logits);
    const config = JSON.parse(await readFile(join(merged, 'config.json'), 'utf8'));
    expect(config.architectures[0]).toMatch(/ForSequenceClassification$/);
  });

  it('is described by inspect', async () => {
    const { code, stdout, stderr } = await diffora('inspect', folder.path(`model-${name}`), '--json');
    expect(code, stderr).toBe(0);
    const found = resultOf(stdout);
    expect(found).toMatchObject({ kind: 'model', layers: 2 });
    expect(found.adaptable).toBe(2 * found.modules.length);
    const shown = await diffora('inspect', folder.path(`model-${name}`));
    for (const { module } of found.modules) expect(shown.stdout).toContain(module);
  });
});

describe('a checkpoint without a head', () => {
  it('cannot predict by itself, and says what to do', async () => {
    const { code, stderr } = await diffora('predict', '--model', folder.path('model-bert'), '--text', 'a');
    expect(code).toBe(1);
    expect(stderr).toMatch(/names BertModel: no head to predict with\. Train one/);
  });

  it('cannot generate, being no causal model', async () => {
    const { code, stderr } = await diffora('generate', '--model', folder.path('model-bert'), '--prompt', 'a');
    expect(code).toBe(1);
    expect(stderr).toContain('BERT has no CAUSAL_LM head');
  });
});

describe('generate', () => {
  const flags = (...more: string[]) => ['generate', '--model', folder.path('model-llama'), '--threads', '1', ...more];

  it('gives the same text for the same seed, another for another', async () => {
    const drawn = (seed: string) =>
      diffora(...flags('--prompt', 'a b', '--temperature', '2', '--seed', seed, '--json'));
    const [first, again, other] = [await drawn('1'), await drawn('1'), await drawn('2')];
    expect(first.code, first.stderr).toBe(0);
    const textOf = ({ stdout }: { stdout: string }) => resultOf(stdout).text;
    expect(textOf(first)).toBe(textOf(again));
    expect(textOf(first)).not.toBe(textOf(other));
  });

  it('prints while it writes what is a record with --json', async () => {
    const { stdout } = await diffora(...flags('--prompt', 'a b', '--max-new-tokens', '5'));
    const { stdout: json } = await diffora(...flags('--prompt', 'a b', '--max-new-tokens', '5', '--json'));
    expect(stdout).toBe(`${resultOf(json).text}\n`);
  });

  it('takes a prompt a line and writes a JSON object a line', async () => {
    const [input, output] = [folder.path('prompts.txt'), folder.path('texts.jsonl')];
    await writeFile(input, 'a b\n\nc d\n');
    const { code, stderr } = await diffora(...flags('--input', input, '--output', output, '--max-new-tokens', '3'));
    expect(code, stderr).toBe(0);
    const lines = (await readFile(output, 'utf8')).trimEnd().split('\n');
    expect(lines.map((line) => JSON.parse(line).prompt)).toEqual(['a b', 'c d']);
  });

  it.each([
    [['--prompt', 'a', '--input', 'b'], 'either --prompt or --input'],
    [['--prompt', 'a', '--temperature', '-1'], 'a number of at least 0'],
    [['--prompt', 'a', '--top-k', '1.5'], 'a whole number of at least 1'],
    [['--prompt', 'a', '--system', 'b'], '--system goes with --chat'],
    [['--prompt', 'a', '--top-k', '3'], '--top-k is read where tokens are drawn, and at temperature 0'],
    [['--prompt', 'a', '--top-p', '0.5'], '--top-p is read where tokens are drawn, and at temperature 0'],
    [['--prompt', 'a', '--seed', '1'], '--seed is read where tokens are drawn'],
    [['--prompt', 'a', '--repetition-penalty', '0'], 'a number above 0'],
    [['--prompt', 'a', '--any-base'], '--any-base is read with --adapter alone'],
    [['--prompt', 'a', '--overwrite'], '--overwrite goes with --output'],
  ])('refuses %j', async (more, message) => {
    const { code, stderr, stdout } = await diffora(...flags(...more));
    expect([code, stdout]).toEqual([2, '']);
    expect(stderr).toContain(message);
  });

  it('says that a model has no chat template', async () => {
    const { code, stderr } = await diffora(...flags('--prompt', 'a', '--chat'));
    expect(code).toBe(1);
    expect(stderr).toContain('has no chat template');
  });
});
