import { hash32 } from '../random.js';

/** Words in a shingle, and shingles kept of a text: enough to tell half alike from a third alike. */
const SHINGLE_WORDS = 4;
const SKETCH_SIZE = 64;
/** Texts are near duplicates from this share of common shingles (Jaccard) on. */
const LEAST_ALIKE = 0.5;
/** A shingle in more texts than this is a stock phrase (a list's footer), and leads to no pairs. */
const STOCK_PHRASE = 60;

/** Lower case, no digits, punctuation or symbols, single spaces: what is left when a text is only touched up. */
export function normalizeText(text: string): string {
  return text
    .toLowerCase()
    .replace(/[\p{P}\p{S}\p{N}]+/gu, '')
    .replace(/\s+/g, ' ')
    .trim();
}

/**
 * Puts texts that are nearly the same into groups: equal after {@link normalizeText}, or with about half or more of
 * their 4-word shingles in common, directly or through others. Jaccard's index is estimated from the 64 smallest
 * shingle hashes of each text (Broder, "On the resemblance and containment of documents", 1997, section 4).
 *
 * @returns for each text the position of the first text of its group
 */
export function groupNearDuplicates(texts: readonly string[]): Int32Array {
  const group = Int32Array.from({ length: texts.length }, (_, i) => i);
  const root = (i: number): number => {
    let at = i;
    while (group[at] !== at) at = group[at] = group[group[at]!]!;
    return at;
  };
  const join = (a: number, b: number) => {
    const [low, high] = [root(a), root(b)].sort((x, y) => x - y) as [number, number];
    group[high] = low;
  };

  const normalized = texts.map(normalizeText);
  const firstWith = new Map<string, number>();
  for (const [i, text] of normalized.entries()) {
    const first = firstWith.get(text);
    if (first === undefined) firstWith.set(text, i);
    else join(first, i);
  }
  const sketches = normalized.map(sketch);
  for (const [a, b] of candidatePairs(sketches, [...firstWith.values()])) {
    if (root(a) !== root(b) && alike(sketches[a]!, sketches[b]!)) join(a, b);
  }
  return group.map((_, i) => root(i));
}

/** The smallest hashes of a text's shingles, ascending; a text of few words is one shingle. */
function sketch(text: string): Uint32Array {
  const words = text.split(' ');
  const hashes = new Set<number>();
  for (let i = 0; i === 0 || i + SHINGLE_WORDS <= words.length; i++) {
    hashes.add(hash32(words.slice(i, i + SHINGLE_WORDS).join(' '), 0));
  }
  return Uint32Array.from(hashes).sort().slice(0, SKETCH_SIZE);
}

/** Pairs of texts that share a hash, each at least once. */
function* candidatePairs(
  sketches: readonly Uint32Array[],
  positions: readonly number[],
): Generator<readonly [number, number]> {
  const holders = new Map<number, number[]>();
  for (const position of positions) {
    for (const hash of sketches[position]!) {
      const list = holders.get(hash);
      if (list) list.push(position);
      else holders.set(hash, [position]);
    }
  }
  for (const list of holders.values()) {
    if (list.length > STOCK_PHRASE) continue;
    for (const [i, a] of list.entries()) for (const b of list.slice(i + 1)) yield [a, b];
  }
}

/** Of the smallest hashes of the union, the share that both have. */
function alike(a: Uint32Array, b: Uint32Array): boolean {
  let [i, j, seen, common] = [0, 0, 0, 0];
  while (seen < SKETCH_SIZE && (i < a.length || j < b.length)) {
    const [x, y] = [a[i] ?? Number.POSITIVE_INFINITY, b[j] ?? Number.POSITIVE_INFINITY];
    if (x <= y) i++;
    if (y <= x) j++;
    if (x === y) common++;
    seen++;
  }
  return common >= LEAST_ALIKE * seen;
}
