import { describe, expect, it } from 'vitest';
import { mteval13a } from '../../../src/metrics/text/mteval13a.js';
import { python } from './fixture.js';

describe('tokens of mteval-v13a', () => {
  it("are sacrebleu's", () => {
    expect(python.tokens.map(([text]) => mteval13a(text))).toEqual(python.tokens.map(([, tokens]) => tokens));
  });

  it('keep numbers whole and cut what follows them', () => {
    expect(mteval13a('£20-25, i.e. 3.5%')).toEqual(['£20', '-', '25', ',', 'i', '.', 'e', '.', '3.5', '%']);
  });

  it('join a word broken over lines, but keep a hyphen at the end', () => {
    expect(mteval13a('hy-\nphen one-\n')).toEqual(['hyphen', 'one-']);
  });
});
