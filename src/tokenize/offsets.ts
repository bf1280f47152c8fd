import { byteLetters } from './byteLetters.js';

/** What a tokenizer makes of a text: ids, and the tokens as its vocabulary spells them. */
export interface Tokens {
  readonly ids: readonly number[];
  readonly tokens: readonly string[];
}

/** The part of the text that a token stands for: UTF-16 positions, white space before it left out. */
export type Offset = readonly [start: number, end: number];

/** Tokens with where they lie in their text. */
export interface PlacedTokens {
  readonly ids: readonly number[];
  readonly offsets: readonly Offset[];
}

/**
 * Where each token of a text comes from. The text is cut at white space, which no tokenizer of ours joins over; the pieces are encoded
 * by themselves, with the space before them or without, whichever gives the ids of the whole text. Within a piece the
 * spellings of the tokens are laid side by side with its letters as the tokenizer changes them. A piece that its tokens do not spell
 * (there are unknown letters in it) is cut once more, around punctuation and Chinese characters; tokens that still cannot be told
 * apart all get the whole piece.
 *
 * @returns undefined where the pieces do not give the ids of the whole
 */
export function placeTokens(text: string, encode: (text: string) => Tokens): PlacedTokens | undefined {
  const { ids } = encode(text);
  const pieces = [...text.matchAll(/\p{White_Space}*\P{White_Space}+|\p{White_Space}+$/gu)].map(
    ({ 0: piece, index }) => ({ piece, start: index }),
  );
  for (const withSpace of [true, false]) {
    const parts = pieces.map(({ piece, start }) => {
      const bare = withoutStart(piece);
      const at = start + piece.length - bare.length;
      return withSpace ? { text: piece, start } : { text: bare, start: at };
    });
    const encoded = parts.map((part) => ({ ...part, ...encode(part.text) }));
    const joined = encoded.flatMap((part) => part.ids);
    if (joined.length !== ids.length || joined.some((id, i) => id !== ids[i])) continue;
    return { ids, offsets: encoded.flatMap((part) => offsetsIn(part, encode)) };
  }
  return undefined;
}

/** How a kind of tokenizer spells a token, and what it makes of a letter of the text. */
interface Spelling {
  readonly token: (token: string, index: number) => string;
  readonly letter: (letter: string) => string;
}

const wordPiece = (token: string, index: number) => (index > 0 && token.startsWith('##') ? token.slice(2) : token);
const metaspace = (token: string) => token.replaceAll('▁', '');
const unspaced = (letter: string) => (/\p{White_Space}/u.test(letter) ? '' : letter);
const withoutStart = (text: string) => text.replace(/^\p{White_Space}+/u, '');
const plain = (letter: string) => letter.normalize('NFD').replace(/\p{Mn}/gu, '');

const spellings: readonly Spelling[] = [
  { token: wordPiece, letter: unspaced },
  { token: wordPiece, letter: (letter) => unspaced(plain(letter).toLowerCase()) },
  { token: (token) => token, letter: byteLetters },
  { token: metaspace, letter: unspaced },
  { token: metaspace, letter: (letter) => unspaced(letter.normalize('NFKC')) },
  { token: metaspace, letter: (letter) => unspaced(plain(letter.normalize('NFKC')).toLowerCase()) },
];

interface Part extends Tokens {
  readonly text: string;
  readonly start: number;
}

function offsetsIn(part: Part, encode: (text: string) => Tokens): Offset[] {
  return spelt(part) ?? cutAgain(part, encode)?.flatMap((one) => spelt(one) ?? whole(one)) ?? whole(part);
}

function spelt({ text, start, tokens }: Part): Offset[] | undefined {
  const first = start + text.length - withoutStart(text).length;
  for (const { token, letter } of spellings) {
    const found = laidSideBySide(text, tokens.map(token), letter);
    if (found !== undefined)
      return found.map(([from, to]) => [Math.min(start + to, Math.max(first, start + from)), start + to]);
  }
  return undefined;
}

function whole({ text, start, tokens }: Part): Offset[] {
  const end = start + text.length;
  return tokens.map(() => [end - withoutStart(text).length, end]);
}

/** The parts of a piece between which BERT cuts words without a space; undefined where their ids are not those of the piece. */
function cutAgain({ text, start, ids }: Part, encode: (text: string) => Tokens): Part[] | undefined {
  const parts = [...text.matchAll(/\p{Script=Han}|[\p{P}\p{S}]|[^\p{Script=Han}\p{P}\p{S}]+/gu)].map(
    ({ 0: part, index }) => ({
      text: part,
      start: start + index,
      ...encode(part),
    }),
  );
  const same = String(parts.flatMap((part) => part.ids)) === String(ids);
  return same ? parts : undefined;
}

/** Positions within `piece` of each of the tokens; undefined where they do not spell it. */
function laidSideBySide(
  piece: string,
  tokens: readonly string[],
  letter: (letter: string) => string,
): Offset[] | undefined {
  const from: number[] = [];
  const to: number[] = [];
  let spelt = '';
  let position = 0;
  for (const one of piece) {
    const made = letter(one);
    for (let i = 0; i < made.length; i++) {
      from.push(position);
      to.push(position + one.length);
    }
    spelt += made;
    position += one.length;
  }
  if (spelt !== tokens.join('')) return undefined;
  let at = 0;
  return tokens.map(({ length }) => {
    const begin = at;
    at += length;
    if (length === 0) return [from[begin] ?? position, from[begin] ?? position];
    return [from[begin]!, to[at - 1]!];
  });
}
