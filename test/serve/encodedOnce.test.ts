import { expect, it } from 'vitest';
import { encodedOnce } from '../../src/serve/encodedOnce.js';
import type { Tokenizer } from '../../src/tokenize/index.js';
import { loadTokenizer } from '../../src/tokenize/loadTokenizer.js';
import { tinyModel } from '../cli/run.js';

it('encodes a text once that is counted and then held to a length, and again what is longer, or is asked for again', async () => {
  const tokenizer = await loadTokenizer(tinyModel);
  let calls = 0;
  const counting: Tokenizer = {
    ...tokenizer,
    encode(...of) {
      calls++;
      return tokenizer.encode(...of);
    },
    encodeTruncated(...of) {
      calls++;
      return tokenizer.encodeTruncated(...of);
    },
  };
  const once = encodedOnce(counting);
  const expectAlike = (text: string, pair: string | undefined, length: number, encoded: number) => {
    calls = 0;
    expect(once.encode(text, pair)).toEqual(tokenizer.encode(text, pair));
    for (let time = 0; time < 2; time++) {
      expect(once.encodeTruncated(text, pair, length)).toEqual(tokenizer.encodeTruncated(text, pair, length));
    }
    expect(calls).toBe(encoded);
  };
  const { length } = tokenizer.encode('the good cat').ids;
  expectAlike('the good cat', undefined, length, 2);
  expectAlike('the good cat', '', length + 1, 2);
  expectAlike('the good cat', 'is bad', 64, 2);
  expectAlike('the good cat', undefined, length - 1, 3);
});
