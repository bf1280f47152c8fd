import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { encodePrompt, promptSequences } from '../../src/tasks/encoding/prompts.js';
import { loadTokenizer } from '../../src/tokenize/index.js';
import { REPOSITORY } from '../shared.js';

const tiny = () => loadTokenizer(join(REPOSITORY, 'test/fixtures/tiny-tokenizer'));
const generation = { prompt: 'who is {text} ?', maxNewTokens: 4 };
const example = { id: '7', text: 'the man', references: ['a good man', 'the man'] };
const endTokenId = 3;

describe('promptSequences', () => {
  it('asks for the first reference and the end after it, and for nothing of the prompt', async () => {
    const tokenizer = await tiny();
    const [one] = await promptSequences(tokenizer, [example], {
      generation,
      maxLength: 40,
      endTokenId,
      warn: expect.fail,
    });
    const prompt = encodePrompt(tokenizer, generation, example);
    const answer = [...tokenizer.encodePlain('a good man'), endTokenId];
    expect(prompt).toEqual(tokenizer.encode('who is the man ?').ids);
    expect([...one!.inputIds]).toEqual([...prompt, ...answer]);
    // A label is the id of the token that comes next.
    expect([...one!.tokenLabels!]).toEqual([...prompt.slice(1).map(() => -100), ...answer, -100]);
  });

  it('takes {text} as it stands, also where it looks like a pattern', async () => {
    const tokenizer = await tiny();
    const odd = { ...example, text: '$& $1' };
    expect(encodePrompt(tokenizer, generation, odd)).toEqual(tokenizer.encode('who is $& $1 ?').ids);
  });

  it('cuts the beginning of a long prompt, and a reference only when it is too long by itself', async () => {
    const tokenizer = await tiny();
    const warnings: string[] = [];
    const encode = async (maxLength: number) => {
      const [one] = await promptSequences(tokenizer, [example], {
        generation,
        maxLength,
        endTokenId,
        warn: (one) => warnings.push(one),
      });
      return one!;
    };
    const [whole, answer] = [await encode(40), [...tokenizer.encodePlain('a good man'), endTokenId]];
    expect(warnings).toEqual([]);
    expect([...(await encode(6)).inputIds]).toEqual([...whole.inputIds].slice(-6));
    const shortest = await encode(3);
    expect([...shortest.inputIds].slice(1)).toEqual(answer.slice(0, 2));
    expect([...shortest.tokenLabels!]).toEqual([...answer.slice(0, 2), -100]);
    expect(warnings).toEqual([
      'of 1 texts, with at most 6 tokens each, 1 have lost the beginning of their prompt; see --max-length.',
      'of 1 texts, with at most 3 tokens each, 1 have lost the beginning of their prompt and 1 the end of their text, with the token that ends it; see --max-length.',
    ]);
  });

  it('names a row that has nothing to learn', async () => {
    const tokenizer = await tiny();
    const bare = { id: '12', text: 'who' };
    const options = { generation, maxLength: 9, endTokenId, warn: expect.fail };
    await expect(promptSequences(tokenizer, [bare], options)).rejects.toThrow('Row 12 has no text to learn');
  });
});
