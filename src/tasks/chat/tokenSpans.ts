import type { Tokenizer } from '../../tokenize/index.js';
import type { Span } from './turnSpans.js';

/** Tokens before a boundary that are decoded with those at it: what a token is written as may depend on its neighbours. */
const context = 8;

/**
 * The tokens of parts of a text: those that have a character of the part, as transformers' assistant masks take them.
 *
 * @param ids of the whole text
 * @param spans parts in UTF-16 units, in order
 * @returns positions of tokens, the end not among them
 */
export function tokenSpans(
  tokenizer: Pick<Tokenizer, 'encodePlain' | 'decode'>,
  text: string,
  ids: readonly number[],
  spans: readonly Span[],
): Span[] {
  const cuts = [...new Set(spans.flatMap(({ start, end }) => [start, end]))].sort((a, b) => a - b);
  const between = cutTokens(tokenizer, text, ids, cuts);
  return spans.map(({ start, end }) => {
    const [first, last] = [between.get(start)!, between.get(end)!];
    return { start: first.before, end: last.through };
  });
}

/** Tokens that end at or before a cut, and those that begin before it: the same but where a token lies across it. */
interface TokenCut {
  readonly before: number;
  readonly through: number;
}

function cutTokens(
  tokenizer: Pick<Tokenizer, 'encodePlain' | 'decode'>,
  text: string,
  ids: readonly number[],
  cuts: readonly number[],
): ReadonlyMap<number, TokenCut> {
  // Most often the parts between the cuts give the same tokens by themselves.
  const parts = [0, ...cuts].map((start, i) => tokenizer.encodePlain(text.slice(start, cuts[i] ?? text.length)));
  if (isSame(parts.flat(), ids)) {
    let count = 0;
    return new Map(
      cuts.map((cut, i) => {
        count += parts[i]!.length;
        return [cut, { before: count, through: count }];
      }),
    );
  }
  return new Map(cuts.map((cut) => [cut, cutAt(tokenizer, ids, tokenizer.encodePlain(text.slice(0, cut)))]));
}

/** @param left ids of the text before the cut, by itself */
function cutAt({ decode }: Pick<Tokenizer, 'decode'>, ids: readonly number[], left: readonly number[]): TokenCut {
  let same = 0;
  while (same < left.length && left[same] === ids[same]) same++;
  if (same === left.length) return { before: same, through: same };
  const from = Math.max(0, same - context);
  const length = decode(left.slice(from)).length;
  let before = same;
  while (before < ids.length && decode(ids.slice(from, before + 1)).length <= length) before++;
  const isAcross = decode(ids.slice(from, before)).length < length;
  return { before, through: isAcross ? before + 1 : before };
}

function isSame(a: readonly number[], b: readonly number[]): boolean {
  return a.length === b.length && a.every((id, i) => id === b[i]);
}
