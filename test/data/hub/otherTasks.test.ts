import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { readJson } from '../../../src/data/readers/index.js';
import type { SplitName } from '../../../src/data/types.js';
import { openTask } from '../../../src/tasks/openTask.js';
import { COMMIT } from '../../checkpoint/hub-server.js';
import { hasShared, sharedDir } from '../../shared.js';
import { errorOf, folderOf } from '../files.js';
import { glueHub, otherDatasets } from './glueHub.js';

const test = glueHub();
beforeEach(async () => test.restart(await otherDatasets()));
afterEach(() => vi.unstubAllEnvs());

/** A split from the hub, whatever DIFFORA_DATA says outside of the test. */
async function load(name: string, split: SplitName, env: Record<string, string> = {}) {
  vi.stubEnv('DIFFORA_DATA', undefined);
  return (await openTask(name, test.options(env))).load(split);
}
const sourceOf = (repository: string, path: string) => `hf://datasets/${repository}@${COMMIT}/${path}`;

describe('questions on passages from the hub', () => {
  const far = { id: 'far', text: 'far?', pair: '𝒳 and 𝒴: the Rhine', answers: [{ text: 'Rhine', start: 15 }] };
  const none = { id: 'none', text: 'none?', pair: 'The Rhine.', answers: [] };
  const rhine = { text: 'Rhine', start: 4 };
  const twice = {
    id: 'twice',
    text: 'twice?',
    pair: 'The Rhine.',
    answers: [rhine, { text: 'The Rhine', start: 0 }],
  };

  it.each([
    ['squad', 'train', 'rajpurkar/squad', 'plain_text/train', [far]],
    ['squad', 'dev', 'rajpurkar/squad', 'plain_text/validation', [twice]],
    ['squad2', 'train', 'rajpurkar/squad_v2', 'squad_v2/train', [none, far]],
    ['squad2', 'dev', 'rajpurkar/squad_v2', 'squad_v2/validation', [twice, none]],
    [
      'xquad',
      'dev',
      'google/xquad',
      'xquad.en/validation',
      [{ id: 'en', text: 'en?', pair: 'The Rhine.', answers: [rhine] }],
    ],
  ] as const)('%s %s is %s %s, starts counted in code points', async (name, split, repository, path, expected) => {
    const { examples, source } = await load(name, split);
    expect(examples).toEqual(expected);
    expect(source).toBe(sourceOf(repository, path));
  });
});

describe('texts to be written from the hub', () => {
  it('gsm8k is its main part, of whose training rows dev is held out', async () => {
    const [train, dev, held] = [await load('gsm8k', 'train'), await load('gsm8k', 'dev'), await load('gsm8k', 'test')];
    const row = (i: number) => ({ text: `${i} + ${i}?`, references: [` It is ${2 * i}.\n#### ${2 * i}`] });
    const learned = [...train.examples, ...dev.examples].sort((a, b) => Number(a.id) - Number(b.id));
    expect(learned).toEqual([
      { id: '1', ...row(0) },
      { id: '2', ...row(1) },
    ]);
    expect(dev.examples).toHaveLength(1);
    expect(held.examples).toEqual([{ id: '1', ...row(2) }]);
    expect(train.source).toBe(`${sourceOf('openai/gsm8k', 'main/train')} (without the tenth held out)`);
    expect(dev.source).toBe(`${sourceOf('openai/gsm8k', 'main/train')} (a tenth held out, always the same)`);
  });

  it('e2e has other names for its columns there, and is the same', async () => {
    const csv =
      'mr,ref\n"name[Blue Spice], eatType[pub]",A pub.\nname[Cotto],Cotto.\n"name[Blue Spice], eatType[pub]","Blue Spice, a pub."\n';
    const dataDir = await folderOf({ 'e2e/trainset.csv': csv, 'e2e/devset.csv': csv, 'e2e/testset_w_refs.csv': csv });
    for (const [split, itsSplit] of [
      ['train', 'train'],
      ['dev', 'validation'],
      ['test', 'test'],
    ] as const) {
      const { examples, source } = await load('e2e', split);
      const files = await (await openTask('e2e', { ...test.options(), dataDir })).load(split);
      const content = ({ text, references }: { text: string; references?: readonly string[] }) => [text, references];
      expect(examples.map(content)).toEqual(files.examples.map(content));
      expect(examples).toHaveLength(split === 'train' ? 3 : 2);
      expect(source).toBe(sourceOf('tuetschek/e2e_nlg', `default/${itsSplit}`));
    }
  });
});

describe('commonsense sets from the hub', () => {
  const ask = 'Please choose the correct answer to the question:';
  const four = 'Answer format: answer1/answer2/answer3/answer4';
  // The instruction and the answer that LLM-Adapters' files have for these rows; hellaswag's as its excerpts show.
  const rows: [string, string, string, string, string, string?][] = [
    [
      'boolq',
      'google/boolq',
      'default/validation',
      'Please answer the following question with true or false, question: do iran and afghanistan speak the same ' +
        'language?\n\nAnswer format: true/false',
      'true',
      'boolq/train.json.gz',
    ],
    [
      'piqa',
      'ybisk/piqa',
      'plain_text/validation',
      "Please choose the correct solution to the question: When boiling butter, when it's ready, you can\n\n" +
        'Solution1: Pour it onto a plate\n\nSolution2: Pour it into a jar\n\nAnswer format: solution1/solution2',
      'solution2',
    ],
    [
      'siqa',
      'allenai/social_i_qa',
      'default/validation',
      `${ask} Tracy didn't go home that evening and resisted Riley's attacks. What does Tracy need to do before this?` +
        '\n\nAnswer1: make a new plan Answer2: Go home and see Riley Answer3: Find somewhere to go\n\n' +
        'Answer format: answer1/answer2/answer3',
      'answer3',
      'social_i_qa/test.json',
    ],
    [
      'hellaswag',
      'Rowan/hellaswag',
      'default/validation',
      'Please choose the correct ending to complete the given sentence: Roof shingle removal: A man is sitting on a ' +
        'roof. he\n\nEnding1: is using wrap to wrap a pair of skis. Ending2: is ripping level tiles off. ' +
        "Ending3: is holding a rubik's cube. Ending4: starts pulling up roofing on a roof.\n\n" +
        'Answer format: ending1/ending2/ending3/ending4',
      'ending4',
    ],
    [
      'winogrande',
      'allenai/winogrande',
      'winogrande_xl/validation',
      'Please choose the correct answer to fill in the blank to complete the given sentence: Sarah was a much better ' +
        'surgeon than Maria so _ always got the easier cases.\n\nOption1: Sarah Option2: Maria ' +
        'Answer format: option1/option2',
      'option2',
      'winogrande/test.json',
    ],
    [
      'arc_easy',
      'allenai/ai2_arc',
      'ARC-Easy/test',
      `${ask} Which factor will most likely cause a person to develop a fever?\n\n` +
        'Answer1: a leg muscle relaxing after exercise Answer2: a bacterial population in the bloodstream ' +
        'Answer3: several viral particles on the skin Answer4: carbohydrates being digested in the stomach\n\n' +
        four,
      'answer2',
      'ARC-Easy/train.json',
    ],
    [
      'arc_challenge',
      'allenai/ai2_arc',
      'ARC-Challenge/test',
      `${ask} George wants to warm his hands quickly by rubbing them. Which skin surface will produce the most heat?` +
        '\n\nAnswer1: dry palms Answer2: wet palms Answer3: palms covered with oil Answer4: palms covered with ' +
        `lotion\n\n${four}`,
      'answer1',
      'ARC-Challenge/train.json',
    ],
    [
      'openbookqa',
      'allenai/openbookqa',
      'main/test',
      `${ask} The sun is responsible for\n\nAnswer1: puppies learning new tricks Answer2: children growing up and ` +
        'getting old Answer3: flowers wilting in a vase Answer4: plants sprouting, blooming and wilting\n\n' +
        four,
      'answer4',
      'openbookqa/train.json',
    ],
  ];

  it.each(rows)('%s test is %s %s, in the words of LLM-Adapters', async (name, repository, path, text, answer) => {
    const { examples, source } = await load(name, 'test');
    const [{ id, references, choices, label, ...first }] = examples as [(typeof examples)[0]];
    expect({ id, ...first }).toEqual({ id: '1', text });
    expect(references).toEqual([`the correct answer is ${answer}`]);
    expect(choices).toEqual(
      /: (\S+)$/
        .exec(text)![1]!
        .split('/')
        .map((word) => `the correct answer is ${word}`),
    );
    expect(choices![label!]).toBe(references![0]);
    expect(source).toBe(sourceOf(repository, path));
  });

  it.skipIf(!hasShared('data/commonsense')).each(rows.filter(([, , , , , file]) => file))(
    '%s: its own file has that row',
    async (_, _repository, _path, instruction, answer, file) => {
      const output = `the correct answer is ${answer}`;
      const entries = await readJson(sharedDir('data/commonsense', file!));
      expect(entries).toContainEqual({ instruction, input: '', output, answer });
    },
  );

  it('siqa takes labels with the line end that the hub once left in them', async () => {
    expect((await load('siqa', 'test')).examples.map(({ label }) => label)).toEqual([2, 2]);
  });

  it('hold out dev of the training rows', async () => {
    const [train, dev] = [await load('boolq', 'train'), await load('boolq', 'dev')];
    // One of each class: holdOut leaves a class its only row.
    expect([train.examples.length, dev.examples.length]).toEqual([2, 0]);
    expect(train.source).toContain('boolq@');
  });

  it.each([
    ['piqa', /plain_text\/train, line 2: column "output" is empty\. Label or remove the row/],
    ['hellaswag', /default\/train, line 2: the label names none of the choices\. Correct it/],
  ])('%s refuses a row whose label is held back, or names no choice', async (name, reason) => {
    expect((await errorOf(load(name, 'train'))).message).toMatch(reason);
  });

  it('of which the hub has no such split names those there are', async () => {
    expect((await errorOf(load('openbookqa', 'train'))).message).toMatch(/no split "train" of "main"/);
  });
});

describe('any known task', () => {
  it('comes from a data folder where one is given, and then not from the hub', async () => {
    const dataDir = await folderOf({ 'gsm8k/test.jsonl': '{"question":"1?","answer":"#### 1"}\n' });
    const task = await openTask('gsm8k', { ...test.options(), dataDir });
    expect((await task.load('test')).source).toBe(join(dataDir, 'gsm8k/test.jsonl'));
    expect((await errorOf(task.load('train'))).message).toMatch(/gsm8k\/train\.jsonl\[\.gz\] does not exist/);
    expect(test.hub.requests).toEqual([]);
  });

  it('comes from the cache the next time, and says offline what to do without', async () => {
    const first = await load('squad2', 'dev');
    test.hub.requests.length = 0;
    expect(await load('squad2', 'dev', { HF_HUB_OFFLINE: '1' })).toEqual(first);
    expect(test.hub.requests).toEqual([]);
    const { message } = await errorOf(load('squad2', 'train', { HF_HUB_OFFLINE: '1' }));
    expect(message).toMatch(
      /rajpurkar\/squad_v2 squad_v2\/train is not in the local cache .*--data-dir or DIFFORA_DATA/,
    );
  });
});
