import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { kinds } from '../../src/tasks/kinds/registry.js';
import { openTask } from '../../src/tasks/openTask.js';
import { errorOf, folderOf } from '../data/files.js';

const quiet = { warn: (message: string) => expect.fail(`unexpected warning: ${message}`) };

/** The task of a description, beside its files. */
const open = async (yaml: string, files: Record<string, string>) =>
  openTask(join(await folderOf({ ...files, 't.yaml': yaml }), 't.yaml'), quiet);
const messageOf = async (yaml: string, files: Record<string, string>) => (await errorOf(open(yaml, files))).message;

const jsonl = (...rows: readonly object[]) => rows.map((row) => `${JSON.stringify(row)}\n`).join('');

describe('the keys that a kind has', () => {
  const all = new Set(Object.values(kinds).flatMap(({ terms }) => terms?.keys ?? []) as string[]);

  it.each(Object.entries(kinds))('%s are read by it, and not by another kind alone', (_, { keys, terms }) => {
    const own: readonly string[] = terms?.keys ?? [];
    expect(keys.filter((key) => all.has(key) && !own.includes(key))).toEqual([]);
    expect(own.filter((key) => !keys.includes(key))).toEqual([]);
  });
});

describe("a span task of one's own", () => {
  const columns = 'columns: {text: ask, pair: doc, label: found}';
  const yaml = `kind: span\ntrain: a.jsonl\ndev: a.jsonl\n${columns}`;
  const rows = (...found: readonly unknown[]) => ({
    'a.jsonl': jsonl(...found.map((each) => ({ ask: 'Which?', doc: '𝒳: Rhine, Elbe, Rhine', found: each }))),
  });

  it("takes SQuAD's columns, a text as it first occurs, and an empty cell for no answer", async () => {
    const hub = { text: ['Rhine'], answer_start: [16] };
    const task = await open(yaml, rows(hub, 'Rhine', '', null, { text: [], answer_start: [] }));
    expect(task).toMatchObject({
      kind: kinds.span,
      labels: [],
      columns: { text: 'ask', pair: 'doc', label: 'found' },
      metrics: ['f1', 'exact_match'],
      maxLength: 384,
      splits: ['train', 'dev'],
    });
    const { examples, labelCounts } = await task.load('train');
    expect(examples[0]).toEqual({
      id: '1',
      text: 'Which?',
      pair: '𝒳: Rhine, Elbe, Rhine',
      answers: [{ text: 'Rhine', start: 17 }],
    });
    const rest = examples.slice(1).map(({ answers }) => answers);
    expect(rest).toEqual([[{ text: 'Rhine', start: 4 }], [], [], []]);
    expect(labelCounts).toEqual({});
  });

  it('may be CSV, and hold out a tenth', async () => {
    const content = `ask,doc,found\n${'Which?,The Rhine.,Rhine\n'.repeat(20)}`;
    const task = await open(`kind: span\ntrain: a.csv\n${columns}\nmetrics: [best_f1]`, { 'a.csv': content });
    expect(task.metrics).toEqual(['best_f1']);
    expect((await task.load('dev')).examples).toHaveLength(2);
  });

  it("may be a file of SQuAD's form, and then needs no columns", async () => {
    const qas = (id: string, text: string) => ({ id, question: `${id}?`, answers: [{ text, answer_start: 0 }] });
    const squad = { data: [{ paragraphs: [{ context: 'Rhine', qas: [qas('a', 'Rhine'), qas('b', 'Rhi')] }] }] };
    const task = await open('kind: span\ntrain: s.json\ndev: s.json', { 's.json': JSON.stringify(squad) });
    expect(task.columns).toEqual({ text: 'question', pair: 'context', label: 'answers' });
    expect((await task.load('dev')).examples[1]).toEqual({
      id: '2',
      text: 'b?',
      pair: 'Rhine',
      answers: [{ text: 'Rhi', start: 0 }],
    });
  });

  it.each([
    [
      'a text that the passage has not',
      rows('Rhine', 'Oder'),
      /a\.jsonl, line 2: the answer "Oder" does not occur in the passage/,
    ],
    [
      'an answer that stands elsewhere',
      rows({ text: ['Rhine'], answer_start: [17] }, ''),
      /line 1: the answer "Rhine" does not stand at character 17 of its passage, where "hine" is/,
    ],
    [
      'an answer of another form',
      rows({ text: 'Rhine', answer_start: 3 }),
      /line 1: the answers are {"text":"Rhine".*neither a text nor/,
    ],
    ['a start below 0', rows({ text: ['𝒳'], answer_start: [-1] }, ''), /line 1: the answers are .*neither a text nor/],
    ['a missing column', { 'a.jsonl': jsonl({ ask: 'a', doc: 'b' }) }, /has no column "found"/],
    [
      'a row without the column',
      { 'a.jsonl': jsonl({ ask: 'a', doc: 'b' }, { ask: 'a', doc: 'b', found: 'b' }) },
      /line 1: column "found" is empty/,
    ],
  ])('is refused for %s', async (_, files, reason) => {
    expect(await messageOf(yaml, files)).toMatch(reason);
  });

  it.each([
    [
      'no column of passages',
      'kind: span\ntrain: a.jsonl\ncolumns: {text: ask, label: found}',
      /"columns\.pair" is missing/,
    ],
    [
      'labels',
      `${yaml}\nlabels: [a, b]`,
      /"labels" is for kind: classification or entities or multi-label, but this is a span/,
    ],
    ['a prompt', `${yaml}\nprompt: '{text}'`, /"prompt" is for kind: language, but this is a span/],
    [
      'a metric of another kind',
      `${yaml}\nmetrics: [accuracy]`,
      /accuracy does not fit a span\. Choose from f1, exact_match, best_f1, best_/,
    ],
  ])('is refused for %s in the task file', async (_, description, reason) => {
    expect(await messageOf(description, rows('Rhine', 'Elbe'))).toMatch(reason);
  });
});

describe("a language task of one's own", () => {
  const yaml = 'kind: language\ntrain: a.jsonl\ndev: a.jsonl\ncolumns: {text: ask, label: told}';
  const files = { 'a.jsonl': jsonl({ ask: '2+2', told: '4' }, { ask: '3+3', told: 6 }) };

  it('writes the answer on the line after the text, where it does not say how to ask', async () => {
    const task = await open(yaml, files);
    expect(task).toMatchObject({
      kind: kinds.language,
      columns: { text: 'ask', label: 'told' },
      metrics: ['log_likelihood', 'perplexity'],
      generation: { prompt: '{text}\n', maxNewTokens: 64 },
    });
    expect((await task.load('train')).examples).toEqual([
      { id: '1', text: '2+2', references: ['4'] },
      { id: '2', text: '3+3', references: ['6'] },
    ]);
  });

  it('asks as it is told, the space before the answer being part of it', async () => {
    const asked = `prompt: "{text} = "\nanswer: '-?\\d+'\nmaxNewTokens: 8\nmetrics: [exact_match]`;
    const task = await open(`${yaml}\n${asked}`, files);
    expect(task.generation).toEqual({ prompt: '{text} =', lead: ' ', answer: '-?\\d+', maxNewTokens: 8 });
    expect(task.metrics).toEqual(['exact_match']);
    expect((await task.load('dev')).examples[0]!.references).toEqual([' 4']);
  });

  it('may have several texts that count as right', async () => {
    const several = { 'a.jsonl': jsonl({ ask: 'a', told: ['b', 'c'] }, { ask: 'd', told: 'e' }) };
    const { examples } = await (await open(yaml, several)).load('train');
    expect(examples.map(({ references }) => references)).toEqual([['b', 'c'], ['e']]);
  });

  describe('with choices', () => {
    const chosen = yaml.replace('told}', 'told, choices: may}');
    const rows = (...may: readonly unknown[]) => ({
      'a.jsonl': jsonl(...may.map((each) => ({ ask: 'Is it?', told: 'yes', may: each }))),
    });

    it('knows which one is right, and scores that', async () => {
      const task = await open(`${chosen}\nprompt: '{text} '`, rows(['no', 'yes'], ['yes', 'no', 'perhaps']));
      expect(task.metrics).toEqual(['accuracy', 'log_likelihood', 'perplexity']);
      expect(task.columns).toEqual({ text: 'ask', label: 'told', choices: 'may' });
      expect((await task.load('train')).examples).toEqual([
        { id: '1', text: 'Is it?', references: [' yes'], choices: [' no', ' yes'], label: 1 },
        { id: '2', text: 'Is it?', references: [' yes'], choices: [' yes', ' no', ' perhaps'], label: 0 },
      ]);
    });

    it.each([
      [
        'one choice',
        rows(['yes', 'no'], ['yes']),
        /a\.jsonl, line 2: the choices are \["yes"\]\. Give a list of two or more/,
      ],
      ['the same choice twice', rows(['yes', 'yes'], ['yes', 'no']), /line 1: the choices are \["yes","yes"\]/],
      ['a text', rows('yes/no', ['yes', 'no']), /line 1: the choices are "yes\/no"/],
      ['no right one', rows(['a', 'b'], ['yes', 'no']), /line 1: "yes" is not one of the choices, "a", "b"/],
      ['a missing column', files, /has no column "may"/],
    ])('is refused for %s', async (_, content, reason) => {
      expect(await messageOf(chosen, content)).toMatch(reason);
    });
  });

  it.each([
    [
      'an empty target',
      { 'a.jsonl': jsonl({ ask: 'a', told: 'b' }, { ask: 'c', told: ' ' }) },
      /a\.jsonl, line 2: column "told" is empty/,
    ],
    [
      'an empty one among several',
      { 'a.jsonl': jsonl({ ask: 'a', told: ['b', ''] }) },
      /line 1: \["b",""\] is no text to be written/,
    ],
    [
      'a target that is no text',
      { 'a.jsonl': jsonl({ ask: 'a', told: { b: 1 } }) },
      /line 1: {"b":1} is no text to be written/,
    ],
    ['a missing column', { 'a.jsonl': jsonl({ ask: 'a' }) }, /has no column "told"/],
  ])('is refused for %s', async (_, content, reason) => {
    expect(await messageOf(yaml, content)).toMatch(reason);
  });

  it.each([
    ['a prompt without the text', `${yaml}\nprompt: 'Q: {txt}'`, /t\.yaml: prompt: it does not hold {text}/],
    ['a broken expression', `${yaml}\nanswer: '(a'`, /t\.yaml: answer: Invalid regular expression/],
    ['no tokens to write', `${yaml}\nmaxNewTokens: 0`, /maxNewTokens is 0; it takes a whole number above 0/],
    [
      'a pair',
      yaml.replace('{', '{pair: b, '),
      /"pair" is for kind: classification or regression or span or multi-label or reranker or embedding, but this is a language/,
    ],
    [
      'a metric of choices',
      `${yaml}\nmetrics: [accuracy]`,
      /accuracy does not fit a language task without choices\. Choose from log_likelihood, /,
    ],
    [
      'choices without the kind',
      'train: a.jsonl\ncolumns: {text: ask, label: told, choices: c}',
      /"choices" is for kind: language, but the file names no kind/,
    ],
  ])('is refused for %s in the task file', async (_, description, reason) => {
    expect(await messageOf(description, files)).toMatch(reason);
  });
});
