import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { train } from '../../src/jobs/train.js';
import { loadAdapter } from '../../src/library/loadAdapter.js';
import { loadTask } from '../../src/library/loadTask.js';
import { silent } from '../../src/reporter.js';
import { bytesOf, quickConfig, trainInParts } from '../jobs/resumed.js';
import { diffora, letterModel, resultOf, temporaryFolder, tinyModel } from './run.js';

const folder = await temporaryFolder();
afterAll(() => folder.remove());

const corpus = Array.from({ length: 48 }, (_, i) => {
  const [who, what] = [['the man', 'a woman', 'the film'][i % 3], ['is very good', 'was not dull'][i % 2]];
  return `${who} ${what}, it ${what}.\n${i % 4 === 3 ? '\n' : ''}`;
}).join('');
beforeAll(() => writeFile(folder.path('corpus.txt'), corpus));

async function json(...args: string[]) {
  const { code, stdout, stderr } = await diffora(...args, '--json');
  expect(code, stderr).toBe(0);
  return resultOf(stdout);
}

async function task(name: string, text: string): Promise<string> {
  await writeFile(folder.path(name), text);
  return folder.path(name);
}

const common = ['--rank', '4', '--batch-size', '8', '--threads', '1', '--max-length', '32'];
const learning = [...common, '--epochs', '12', '--lr', '1e-2'];

describe('plain text on an encoder', () => {
  const run = folder.path('masked');

  it('is learned by masks without a word, searched, scored, merged and filled', async () => {
    const settings = [...learning, '--method', 'diffora', '--search-steps', '4', '--search-team', '2'];
    const flags = ['--model', tinyModel, '--task', folder.path('corpus.txt'), ...settings, '--output', run];
    const { scores } = await json('train', ...flags);
    expect(scores.dev.perplexity).toBeCloseTo(Math.exp(scores.dev.loss), 4);
    // Of 200 tokens that it may be.
    expect(scores.dev.perplexity).toBeLessThan(40);
    const { kind, masking, maxLength } = JSON.parse(await readFile(join(run, 'adapter', 'task.json'), 'utf8'));
    expect({ kind, masking, maxLength }).toEqual({
      kind: 'masked-lm',
      masking: { probability: 0.15, wholeWords: false },
      maxLength: 32,
    });
    expect(JSON.parse(await readFile(join(run, 'adapter', 'adapter_config.json'), 'utf8')).task_type).toBeNull();

    const found = await json('predict', '--adapter', run, '--text', 'the man is very [MASK], it is very [MASK].');
    expect(found.text).toBe('the man is very good, it is very good.');
    expect(found.masks.map((candidates: readonly unknown[]) => candidates.length)).toEqual([5, 5]);
    await json('merge', '--adapter', run, '--output', folder.path('merged'));
    const own = await json('predict', '--model', folder.path('merged'), '--text', 'the man is very [MASK].');
    expect(own.masks[0][0]).toMatchObject({ token: 'good', id: found.masks[0][0].id });
    const adapter = await loadAdapter(run);
    expect(await adapter.predict(['the man is very [MASK], it is very [MASK].'])).toEqual([found]);
    await adapter.close();
  });

  it('is scored by one mask, whatever the seed', async () => {
    const evaluate = async () => (await json('eval', '--adapter', run, '--task', folder.path('corpus.txt'))).scores;
    const scores = await evaluate();
    expect(await evaluate()).toEqual(scores);
    const adapter = await loadAdapter(run);
    const task = await loadTask(folder.path('corpus.txt'));
    expect(task.kind.name).toBe('causal-lm');
    const { examples } = await adapter.evaluate(task);
    expect(examples).toBe((await task.load('dev')).examples.length);
    await adapter.close();
    expect(scores.loss).toBeGreaterThan(0);
  });

  it.each([
    [
      'a text without a mask',
      ['predict', '--adapter', run, '--text', 'a book'],
      'Text 1 has no [MASK], in whose place a token could stand. Write one into it.',
    ],
    [
      'a mask that is cut off',
      ['predict', '--adapter', run, '--text', `${'good '.repeat(40)} [MASK]`],
      'Text 1 loses a [MASK] where it is cut. Shorten it, or raise --max-length.',
    ],
  ])('refuses %s', async (_, args, message) => {
    const { code, stderr } = await diffora(...args);
    expect(code).toBe(1);
    expect(stderr).toContain(message);
  });

  it('goes on after a stop to the same bytes', async () => {
    const described = await task(
      'words.yaml',
      'kind: masked-lm\ntrain: corpus.txt\ndev: corpus.txt\nwholeWords: true\nmaskProbability: 0.3\ndocuments: paragraphs\n',
    );
    const config = quickConfig(described, {
      textColumn: undefined,
      labelColumn: undefined,
      method: 'diffora',
      searchSteps: 4,
      dropout: 0.1,
      maxSteps: 8,
    });
    const [whole, parts] = [folder.path('whole'), folder.path('parts')];
    await train({ config, output: whole, reporter: silent });
    const { masking, documents } = JSON.parse(await readFile(join(whole, 'adapter/task.json'), 'utf8'));
    expect({ masking, documents }).toEqual({
      masking: { probability: 0.3, wholeWords: true },
      documents: 'paragraphs',
    });
    const saving = { ...config, run: { ...config.run, saveSteps: 2 } };
    await trainInParts(saving, parts, [
      ['search', 3],
      ['train', 3],
      ['train', 6],
    ]);
    expect(await bytesOf(parts)).toEqual(await bytesOf(whole));
  });

  it('keeps nothing of its layers between steps', async () => {
    const flags = ['--model', tinyModel, '--task', folder.path('corpus.txt'), ...common, '--method', 'lora'];
    const cached = ['--cache-prefix', 'memory', '--targets', 'output.dense', '--output', folder.path('cached')];
    const { code, stderr } = await diffora('train', ...flags, ...cached);
    expect(code).toBe(2);
    expect(stderr).toContain('in this task other tokens of it are masked in every step. Leave cachePrefix out.');
  });
});

describe('plain text on a decoder', () => {
  it('is learned in blocks and gone on with', async () => {
    const model = await letterModel('llama-one-key-head', folder.path('llama'));
    const settings = JSON.parse(await readFile(join(model, 'tokenizer_config.json'), 'utf8'));
    await writeFile(join(model, 'tokenizer_config.json'), JSON.stringify({ ...settings, eos_token: '[SEP]' }));
    const lines = Array.from({ length: 40 }, (_, i) => `ab ${'cd '.repeat(1 + (i % 3))}\n`).join('');
    const described = await task('letters.yaml', 'kind: causal-lm\ntrain: letters.txt\ndev: letters.txt\n');
    await writeFile(folder.path('letters.txt'), lines);
    const run = folder.path('causal');
    const flags = ['--model', model, '--task', described, '--rank', '4', '--batch-size', '4', '--threads', '1'];
    const more = ['--method', 'lora', '--max-length', '12', '--epochs', '12', '--lr', '2e-2', '--output', run];
    const { scores } = await json('train', ...flags, ...more);
    expect(scores.dev.perplexity).toBeCloseTo(Math.exp(scores.dev.loss), 4);
    expect(scores.dev.perplexity).toBeLessThan(6);
    const config = JSON.parse(await readFile(join(run, 'adapter', 'adapter_config.json'), 'utf8'));
    expect(config.task_type).toBe('CAUSAL_LM');
    const { log_likelihood: mean } = (
      await json('eval', '--adapter', run, '--task', folder.path('letters.txt'), '--metrics', 'log_likelihood')
    ).scores;
    expect(mean).toBeCloseTo(-scores.dev.loss, 6);
    expect((await json('predict', '--adapter', run, '--text', 'ab')).text).toMatch(/^\S/);
  });
});

describe('bad texts', () => {
  const model = ['--model', tinyModel, '--output', folder.path('bad')];
  it.each([
    [
      'an empty text among rows',
      'rows.jsonl',
      '{"text": "a book"}\n{"text": " "}\n{"text": "a film"}\n',
      /rows\.jsonl, line 2: the text is empty, so that there is nothing to learn\. Write one or remove the row\./,
    ],
    [
      'a row without its text',
      'rows.jsonl',
      '{"text": "a book"}\n{"text": null}\n',
      /rows\.jsonl, line 2: column "text" holds no text but null\./,
    ],
    ['a file of blank lines', 'blank.txt', '\n \n', /blank\.txt has no rows\. Give a file with examples\./],
    ['one line', 'one.txt', 'a book\n', /one\.txt has one row only\. Give at least two\./],
    [
      'tokens that may not be masked',
      'snow.txt',
      '\u2603\n\u2603\n\u2603\n',
      /No text of snow has a token to learn\. Give longer texts\./,
    ],
    [
      'paragraphs of rows',
      'rows.yaml',
      'kind: masked-lm\ntrain: good.jsonl\ndocuments: paragraphs\n',
      /good\.jsonl: "documents" is for files of plain text \(\.txt\)\. Leave it out: a row is a text\./,
    ],
    [
      'a share of none',
      'none.yaml',
      'kind: masked-lm\ntrain: corpus.txt\nmaskProbability: 0\n',
      /none\.yaml: maskProbability is 0; it takes a number above 0 and of at most 1\./,
    ],
    [
      'masks of a model that reads on',
      'other.yaml',
      'kind: causal-lm\ntrain: corpus.txt\nwholeWords: true\n',
      /other\.yaml: "wholeWords" is for kind: masked-lm, but this is a causal-lm\. Change one of the two\./,
    ],
  ])('%s', async (_, name, text, message) => {
    await writeFile(folder.path('good.jsonl'), '{"text": "a book"}\n{"text": "a film"}\n');
    const { code, stderr } = await diffora('train', ...model, '--task', await task(name, text));
    expect(code).toBeGreaterThan(0);
    expect(stderr).toMatch(message);
  });

  it('masks of a model that has no such head', async () => {
    const llama = await letterModel('llama-one-key-head', folder.path('decoder'));
    const described = await task('decoder.yaml', 'kind: masked-lm\ntrain: corpus.txt\n');
    const { stderr } = await diffora('train', ...model, '--model', llama, '--task', described);
    expect(stderr).toContain('LLaMA has no MASKED_LM head; it has CAUSAL_LM, SEQ_CLS, TOKEN_CLS.');
  });
});
