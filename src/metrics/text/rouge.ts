/**
 * ROUGE of a text as Google's rouge_score has it without its stemmer (Lin, ACL workshop 2004): F1 of n-grams, or of the longest
 * common subsequence, of words in lower case of the letters a to z and digits, every other character being a gap. Of several
 * references the one that it is best by.
 */
export function rouge(order: 1 | 2 | 'longest'): (text: string, references: readonly string[]) => number {
  return (text, references) => {
    if (references.length === 0) throw new Error('ROUGE compares a text with references: there is none');
    const words = wordsOf(text);
    return Math.max(...references.map((one) => scored(words, wordsOf(one), order)));
  };
}

function wordsOf(text: string): string[] {
  return text
    .toLowerCase()
    .split(/[^a-z0-9]+/)
    .filter((word) => word !== '');
}

function scored(words: readonly string[], reference: readonly string[], order: 1 | 2 | 'longest'): number {
  if (order === 'longest') {
    return harmonic(commonSubsequence(words, reference), words.length, reference.length);
  }
  const [own, wanted] = [countsOf(words, order), countsOf(reference, order)];
  let common = 0;
  for (const [gram, count] of wanted) common += Math.min(count, own.get(gram) ?? 0);
  return harmonic(common, words.length - order + 1, reference.length - order + 1);
}

function countsOf(words: readonly string[], order: number): Map<string, number> {
  const counts = new Map<string, number>();
  for (let i = 0; i + order <= words.length; i++) {
    const gram = words.slice(i, i + order).join(' ');
    counts.set(gram, (counts.get(gram) ?? 0) + 1);
  }
  return counts;
}

/** F1 of a number that two share. */
function harmonic(common: number, own: number, wanted: number): number {
  return common === 0 ? 0 : (2 * common) / (own + wanted);
}

/** Length of the longest common subsequence, one row of the table at a time. */
export function commonSubsequence(a: readonly string[], b: readonly string[]): number {
  let above = new Int32Array(b.length + 1);
  for (const token of a) {
    const row = new Int32Array(b.length + 1);
    for (let j = 0; j < b.length; j++) {
      row[j + 1] = token === b[j] ? above[j]! + 1 : Math.max(above[j + 1]!, row[j]!);
    }
    above = row;
  }
  return above[b.length]!;
}
