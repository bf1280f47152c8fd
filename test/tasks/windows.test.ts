import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import type { Example } from '../../src/data/types.js';
import { passageWindows } from '../../src/tasks/encoding/windows.js';
import { openTask } from '../../src/tasks/openTask.js';
import { loadTokenizer } from '../../src/tokenize/index.js';
import { hasShared, REPOSITORY, sharedDir } from '../shared.js';

const tiny = () => loadTokenizer(join(REPOSITORY, 'test/fixtures/tiny-tokenizer'));
const silent = { warn: (message: string) => expect.fail(`unexpected warning: ${message}`) };

const passage = 'the cat saw the dog and the bird';
const asked = (answer: string): Example => ({
  id: '1',
  text: 'who',
  pair: passage,
  answers: [{ text: answer, start: passage.indexOf(answer) }],
});

describe('passageWindows', () => {
  it('puts question, passage and special tokens together, and points at the first and the last token of the answer', async () => {
    const [window, ...more] = await passageWindows(await tiny(), [asked('the dog')], { maxLength: 20, ...silent });
    expect(more).toEqual([]);
    // [CLS] who [SEP] the cat saw the dog and the bird [SEP]
    expect(window!.inputIds).toHaveLength(12);
    expect(window!.passage!.first).toBe(3);
    expect(window!.span).toEqual([6, 7]);
    expect(window!.passage!.offsets.map(([from, to]) => passage.slice(from, to))).toEqual(passage.split(' '));
  });

  it('shows a long passage in windows that share tokens; those without the whole answer point at the first token', async () => {
    // Room for five tokens of the passage, of which two are those of the window before.
    const windows = await passageWindows(await tiny(), [asked('dog and')], { maxLength: 9, stride: 2, ...silent });
    const texts = windows.map(({ passage: shown }) =>
      shown!.offsets.map(([from, to]) => passage.slice(from, to)).join(' '),
    );
    expect(texts).toEqual(['the cat saw the dog', 'the dog and the bird']);
    expect(windows.map(({ span }) => span)).toEqual([
      [0, 0],
      [4, 5],
    ]);
    expect(windows.map(({ index }) => index)).toEqual([0, 0]);
  });

  it('points at the first token where the passage does not say, and has no span where nothing is known', async () => {
    const examples = [
      { id: '1', text: 'who', pair: passage, answers: [] },
      { id: '2', text: 'who', pair: passage },
    ];
    const [none, unknown] = await passageWindows(await tiny(), examples, { maxLength: 20, ...silent });
    expect(none!.span).toEqual([0, 0]);
    expect(unknown!.span).toBeUndefined();
  });

  it('cuts a question that would leave the passage no room, with a warning and the count', async () => {
    const warnings: string[] = [];
    const long = { ...asked('the dog'), text: 'who '.repeat(30) };
    const windows = await passageWindows(await tiny(), [long], {
      maxLength: 13,
      warn: (message) => warnings.push(message),
    });
    expect(warnings).toEqual(['1 of 1 questions are longer than their share of the tokens and were cut.']);
    for (const { inputIds } of windows) expect(inputIds.length).toBeLessThanOrEqual(13);
  });

  it('refuses windows that would not move on', async () => {
    const tokenizer = await tiny();
    await expect(passageWindows(tokenizer, [asked('the dog')], { maxLength: 9, stride: 5, ...silent })).rejects.toThrow(
      'Windows of 5 tokens beside a question of 1 cannot share 5: raise --max-length or lower --stride.',
    );
  });
});

describe.skipIf(!hasShared('data', 'xquad') || !hasShared('models'))('windows of XQuAD (needs ../shared)', () => {
  it('hold every answer whole somewhere, at its place', async () => {
    const tokenizer = await loadTokenizer(sharedDir('models', 'bert_uncased_tokenizer'));
    const task = await openTask('xquad', { dataDir: sharedDir('data'), ...silent });
    const { examples } = await task.load('dev');
    const windows = await passageWindows(tokenizer, examples, { maxLength: 96, stride: 40, ...silent });
    const found = new Set<number>();
    for (const { span, passage: shown, index } of windows) {
      if (span![0] === 0) continue;
      const { answers, pair } = examples[index]!;
      const [from, to] = [shown!.offsets[span![0] - shown!.first]![0], shown!.offsets[span![1] - shown!.first]![1]];
      // Tokens may reach beyond an answer that begins or ends within a word.
      expect(pair!.slice(from, to)).toContain(answers![0]!.text.trim());
      expect(to - from - answers![0]!.text.length).toBeLessThan(24);
      found.add(index);
    }
    const short = examples.flatMap(({ answers }, i) =>
      tokenizer.encodePlain(answers![0]!.text).length < 36 ? [i] : [],
    );
    expect(short.length).toBeGreaterThan(1150);
    for (const i of short) expect(found.has(i), examples[i]!.id).toBe(true);
  });
});
