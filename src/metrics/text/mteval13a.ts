import { splitWords, trimEnd } from './whiteSpace.js';

/** In the order of sacrebleu's `TokenizerRegexp`. */
const RULES: readonly (readonly [pattern: RegExp, replacement: string])[] = [
  // Punctuation of ASCII but for the apostrophe, the comma, the hyphen and the period.
  [/([{-~[-` -&(-+:-@/])/gu, ' $1 '],
  // A period or comma, unless after a digit; then unless before one.
  [/([^0-9])([.,])/gu, '$1 $2 '],
  [/([.,])([^0-9])/gu, ' $1 $2'],
  // A hyphen after a digit.
  [/([0-9])(-)/gu, '$1 $2 '],
];

/**
 * The tokens of a text by the rules of NIST's mteval-v13a, as sacrebleu's `Tokenizer13a` has them. White space at the
 * end is taken off first, as sacrebleu's BLEU does: a hyphen that ends the text is kept, one that ends a line within is
 * not.
 */
export function mteval13a(text: string): string[] {
  const line = trimEnd(text)
    .replaceAll('<skipped>', '')
    .replaceAll('-\n', '')
    .replaceAll('\n', ' ')
    .replaceAll('&quot;', '"')
    .replaceAll('&amp;', '&')
    .replaceAll('&lt;', '<')
    .replaceAll('&gt;', '>');
  return splitWords(
    RULES.reduce((before, [pattern, replacement]) => before.replace(pattern, replacement), ` ${line} `),
  );
}
