/** How often each run of `order` tokens occurs, by the tokens joined with spaces, in the order of first occurrence. */
export function countNgrams(tokens: readonly string[], order: number): Map<string, number> {
  const counts = new Map<string, number>();
  for (let end = order; end <= tokens.length; end++) {
    const ngram = tokens.slice(end - order, end).join(' ');
    counts.set(ngram, (counts.get(ngram) ?? 0) + 1);
  }
  return counts;
}
