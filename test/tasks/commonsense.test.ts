import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { readJsonList } from '../../src/data/readers/index.js';
import type { Row } from '../../src/data/readers/table.js';
import { splitHash } from '../../src/data/split.js';
import type { SplitName } from '../../src/data/types.js';
import { kinds } from '../../src/tasks/kinds/registry.js';
import { openTask } from '../../src/tasks/openTask.js';
import type { Task } from '../../src/tasks/task.js';
import { errorOf, folderOf } from '../data/files.js';
import { hasShared, sharedDir } from '../shared.js';

const warn = (message: string) => expect.fail(`unexpected warning: ${message}`);
const open = (name: string, dataDir: string) => openTask(name, { dataDir, warn });

const INSTRUCTION = 'Which river?\n\nAnswer1: Rhine Answer2: Elbe\n\nAnswer format: answer1/answer2';
const entry = (answer: string, more: Record<string, unknown> = {}) => ({
  instruction: INSTRUCTION,
  input: '',
  output: `the correct answer is ${answer}`,
  answer,
  ...more,
});
const list = (count: number) =>
  JSON.stringify(Array.from({ length: count }, (_, i) => entry(`answer${1 + (i % 4 ? 1 : 0)}`)));

/** What of a text counts, as `Generation.answer` says. */
const answerOf = (task: Task, text: string) => new RegExp(task.generation!.answer!).exec(text)?.[0];

describe('commonsense files', () => {
  it("are LLM-Adapters' entries, with the answers that the instruction's last line allows", async () => {
    const dataDir = await folderOf({ 'commonsense/ARC-Easy/test.json': JSON.stringify([entry('answer2')]) });
    const task = await open('arc_easy', dataDir);
    expect(task).toMatchObject({
      name: 'arc_easy',
      kind: kinds.language,
      columns: { text: 'instruction', label: 'output' },
      metrics: ['accuracy', 'generated_accuracy'],
      maxLength: 256,
      splits: ['train', 'dev', 'test'],
    });
    expect((await task.load('test')).examples).toEqual([
      {
        id: '1',
        text: INSTRUCTION,
        references: ['the correct answer is answer2'],
        choices: ['the correct answer is answer1', 'the correct answer is answer2'],
        label: 1,
      },
    ]);
  });

  it("are asked with LLM-Adapters' template, without its indentation", async () => {
    const { generation } = await open('boolq', 'nowhere');
    expect(generation).toEqual({
      prompt:
        'Below is an instruction that describes a task. Write a response that appropriately completes the request.' +
        '\n\n### Instruction:\n{text}\n\n### Response:\n',
      maxNewTokens: 32,
      answer: 'true|false',
    });
  });

  it('may lie directly in the data folder, and have an input after the instruction', async () => {
    const dataDir = await folderOf({ 'piqa/test.json': JSON.stringify([entry('answer1', { input: 'A map.' })]) });
    const { examples } = await (await open('piqa', dataDir)).load('test');
    expect(examples[0]!.text).toBe(`${INSTRUCTION}\n\n### Input:\nA map.`);
  });

  it('hold out a tenth of the training rows of each answer, always the same, for dev', async () => {
    const dataDir = await folderOf({ 'openbookqa/train.json': list(80) });
    const task = await open('openbookqa', dataDir);
    const [train, dev] = [await task.load('train'), await task.load('dev')];
    const shares = (examples: typeof dev.examples) =>
      [0, 1].map((label) => examples.filter((each) => each.label === label).length);
    expect([shares(train.examples), shares(dev.examples)]).toEqual([
      [18, 54],
      [2, 6],
    ]);
    const ids = [...train.examples, ...dev.examples].map(({ id }) => Number(id)).sort((a, b) => a - b);
    expect(ids).toEqual(Array.from({ length: 80 }, (_, i) => i + 1));
    expect(train.source).toMatch(/train\.json \(without the tenth held out\)$/);
    expect(dev.source).toMatch(/train\.json \(a tenth held out, always the same\)$/);
    const seeded = await openTask('openbookqa', { dataDir, warn, seed: 7 });
    expect(splitHash(await seeded.load('dev'))).toBe(splitHash(dev));
  });

  it('say what is missing, and what can be scored without it', async () => {
    const dataDir = await folderOf({ 'commonsense/piqa/test.json': list(2) });
    const task = await open('piqa', dataDir);
    const path = join(dataDir, 'commonsense/piqa/train.json');
    for (const split of ['train', 'dev'] as const) {
      expect((await errorOf(task.load(split))).message).toBe(
        `The task piqa has no train data (of which dev is a tenth) here: ${path}[.gz] does not exist (the folder may also ` +
          'be called piqa). Its test data can be scored. Fetch the file, or check --data-dir or DIFFORA_DATA.',
      );
    }
  });

  it.each([
    ['an entry that is no object', [entry('answer1'), 7], /test\.json, entry 2: not a JSON object/],
    ['an object', {}, /test\.json must hold a JSON list/],
    ['no entries', [], /test\.json has no rows/],
    ['a missing key', [{ instruction: 'a', input: '', output: 'b' }], /test\.json has no column "answer"/],
    [
      'an instruction without its last line',
      [entry('answer1', { instruction: 'Which?' })],
      /entry 1: the instruction does not end in "Answer format/,
    ],
    [
      'an answer outside the allowed',
      [entry('answer3')],
      /entry 1: "the correct answer is answer3" is not one of the choices, "the correct answer is answer1", /,
    ],
    [
      'an output that does not give the answer',
      [entry('answer1', { output: 'the correct answer is answer2' })],
      /entry 1: the output is not "the correct answer is answer1"/,
    ],
  ])('are refused for %s', async (_, content, reason) => {
    const task = await open('hellaswag', await folderOf({ 'hellaswag/test.json': JSON.stringify(content) }));
    expect((await errorOf(task.load('test'))).message).toMatch(reason);
  });
});

describe("Social IQa's own files", () => {
  const row = { context: 'It rains.', question: 'What now?', answerA: 'run', answerB: 'sing', answerC: 'sleep' };
  const lines = `${JSON.stringify(row)}\n${JSON.stringify(row)}\n`;
  const load = async (split: SplitName, files: Record<string, string>) =>
    (await open('siqa', await folderOf(files))).load(split);

  it('become the entries that LLM-Adapters makes of them', async () => {
    const files = { 'social_i_qa/dev.jsonl': lines, 'social_i_qa/dev-labels.lst': '3\n1\n' };
    const { examples } = await load('test', files);
    const text =
      'Please choose the correct answer to the question: It rains. What now?\n\n' +
      'Answer1: run Answer2: sing Answer3: sleep\n\nAnswer format: answer1/answer2/answer3';
    expect(examples.map((each) => [each.text, each.label])).toEqual([
      [text, 2],
      [text, 0],
    ]);
  });

  it.each([
    ['no file of labels', lines, undefined, /Cannot read .*dev-labels\.lst/],
    ['too few labels', lines, '1\n', /dev-labels\.lst has 1 labels for the 2 rows of .*dev\.jsonl/],
    ['a label that is none', lines, '1\n4\n', /dev-labels\.lst, line 2: the label "4" is not 1, 2 or 3/],
    [
      'a text that is none',
      lines.replace('"run"', '5'),
      '1\n1\n',
      /dev\.jsonl, line 1: column answerA is 5; it takes a text\. Mend or remove the row/,
    ],
  ])('are refused for %s', async (_, rows, labels, reason) => {
    const files = {
      'social_i_qa/dev.jsonl': rows,
      ...(labels ? { 'social_i_qa/dev-labels.lst': labels } : {}),
    };
    expect((await errorOf(load('test', files))).message).toMatch(reason);
  });

  it.skipIf(!hasShared('data/commonsense/social_i_qa_original'))('give the same 1,954 rows as test.json', async () => {
    const original = sharedDir('data/commonsense/social_i_qa_original');
    const read = (name: string) => readFile(join(original, name), 'utf8');
    const files = {
      'social_i_qa/dev.jsonl': await read('dev.jsonl'),
      'social_i_qa/dev-labels.lst': await read('dev-labels.lst'),
    };
    const converted = await load('test', files);
    const dev = await (await open('siqa', sharedDir('data'))).load('test');
    const { examples } = dev;
    expect(examples).toHaveLength(1954);
    expect(converted.examples).toEqual(examples);
    expect(splitHash(converted)).toBe(splitHash(dev));
  });
});

describe.skipIf(!hasShared('data/commonsense'))('the real commonsense files', () => {
  // Rows as ../shared/data/SOURCES.md counts them: train and dev together are the training file.
  const counted: [string, number | undefined, number, string][] = [
    ['boolq', 9427, 3270, 'boolq/test.json'],
    ['piqa', undefined, 1838, 'piqa/test.json'],
    ['siqa', 33410, 1954, 'social_i_qa/test.json'],
    ['winogrande', undefined, 1267, 'winogrande/test.json'],
    ['arc_easy', 2251, 2376, 'ARC-Easy/test.json'],
    ['arc_challenge', 1119, 1172, 'ARC-Challenge/test.json'],
    ['openbookqa', 4957, 500, 'openbookqa/test.json'],
  ];

  it.each(counted)(
    '%s has %s rows to train and %i to test, whose answers can be found',
    async (name, train, test, file) => {
      const task = await open(name, sharedDir('data'));
      const loaded = await task.load('test');
      expect(loaded.examples).toHaveLength(test);
      const entries = JSON.parse(await readFile(sharedDir('data/commonsense', file), 'utf8')) as { answer: string }[];
      expect(loaded.examples.map(({ references }) => answerOf(task, references![0]!))).toEqual(
        entries.map(({ answer }) => answer),
      );
      if (train === undefined) return;
      const learned = [...(await task.load('train')).examples, ...(await task.load('dev')).examples];
      expect(learned).toHaveLength(train);
      expect(new Set(learned.map(({ id }) => id)).size).toBe(train);
      for (const { references, choices, label } of [...loaded.examples, ...learned]) {
        expect(choices![label!]).toBe(references![0]);
        const answers = choices!.map((choice) => answerOf(task, choice));
        expect(answers).toEqual([...new Set(answers)]);
        expect(answers[label!]).toBeDefined();
      }
    },
  );

  it('boolq is the gzipped file, unpacked', async () => {
    const bytes = await readFile(sharedDir('data/commonsense/boolq/train.json.gz'));
    const packed = await (await open('boolq', sharedDir('data'))).load('dev');
    const dataDir = await folderOf({ 'boolq/train.json': gunzipSync(bytes) });
    expect(splitHash(await (await open('boolq', dataDir)).load('dev'))).toBe(splitHash(packed));
    expect(splitHash(packed)).toBe('956b52f787a0f01d6c33957d9716e3617886a010256a02597ae667ea04359aa8');
  });

  /** The hub's row that an entry was made of, as the set's template tells it; undefined where it does not. */
  const originalOf: Record<string, (text: string, answer: string) => Row['values'] | undefined> = {
    boolq: (text, answer) => {
      const [, question] = /^Please answer .* true or false, question: (.*)\?\n\nAnswer format: .*$/s.exec(text) ?? [];
      return question === undefined ? undefined : { question, answer: answer === 'true' };
    },
    piqa: (text, answer) => {
      const [, goal, sol1, sol2] = /question: (.*)\n\nSolution1: (.*)\n\nSolution2: (.*)\n\nAnswer/s.exec(text) ?? [];
      return { goal, sol1, sol2, label: Number(answer.at(-1)) - 1 };
    },
    siqa: (text, answer) => {
      const { question: asked, choices } = listed(text);
      // Which words are the context is not told; the first will do.
      const [, context, question] = /^(\S+) (.*)$/s.exec(asked) ?? [];
      const [answerA, answerB, answerC] = choices;
      return { context, question, answerA, answerB, answerC, label: answer.at(-1) };
    },
    winogrande: (text, answer) => {
      const [, sentence, option1, option2] = /sentence: (.*)\n\nOption1: (.*) Option2: (.*) Answer f/s.exec(text) ?? [];
      return { sentence, option1, option2, answer: answer.at(-1) };
    },
    arc_easy: (text, answer) => ({ question: listed(text).question, ...lettered(text, answer) }),
    arc_challenge: (text, answer) => ({ question: listed(text).question, ...lettered(text, answer) }),
    openbookqa: (text, answer) => ({ question_stem: listed(text).question, ...lettered(text, answer) }),
  };
  const listed = (text: string) => {
    const [, question = '', list = ''] = /question: (.*)\n\nAnswer1: (.*)\n\nAnswer f/s.exec(text) ?? [];
    return { question, choices: list.split(/ Answer[2-5]: /) };
  };
  const lettered = (text: string, answer: string) => {
    const { choices } = listed(text);
    const label = choices.map((_, i) => 'ABCDE'[i]!);
    return { choices: { text: choices, label }, answerKey: label[Number(answer.at(-1)) - 1] };
  };

  it.each([
    ['boolq', 'boolq/train.json.gz', 9427],
    ['boolq', 'boolq/test.json', 3270],
    ['piqa', 'piqa/test.json', 1838],
    ['siqa', 'social_i_qa/test.json', 1954],
    ['winogrande', 'winogrande/test.json', 1267],
    ['arc_easy', 'ARC-Easy/train.json', 2251],
    ['arc_easy', 'ARC-Easy/test.json', 2376],
    ['arc_challenge', 'ARC-Challenge/train.json', 1119],
    ['arc_challenge', 'ARC-Challenge/test.json', 1172],
    ['openbookqa', 'openbookqa/train.json', 4957],
    ['openbookqa', 'openbookqa/test.json', 500],
  ] as const)('%s: every instruction of %s, taken apart, is told again as it was: %i', async (name, file, count) => {
    const { path, rows } = await readJsonList(sharedDir('data/commonsense', file));
    const originals = rows.map(({ line, values }) => {
      return { line, values: originalOf[name]!(values.instruction as string, values.answer as string)! };
    });
    const task = await open(name, 'nowhere');
    const told = task.inColumns!({ path, columns: Object.keys(originals[0]!.values), rows: originals });
    const plain = ({ values: { instruction, output } }: Row) => ({ instruction, output });
    expect(told.rows.map(plain)).toEqual(rows.map(plain));
    expect(told.rows).toHaveLength(count);
  });
});
