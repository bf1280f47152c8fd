/** Entries that both matrices keep over entries that either keeps (Jaccard 1912); 1 for two empty ones. */
export function jaccard(a: readonly (readonly number[])[], b: readonly (readonly number[])[]): number {
  let both = 0;
  let either = 0;
  for (const [layer, row] of a.entries()) {
    for (const [column, mark] of row.entries()) {
      both += mark & b[layer]![column]!;
      either += mark | b[layer]![column]!;
    }
  }
  return either === 0 ? 1 : both / either;
}

/** Mean Jaccard index of every two matrices; undefined for fewer than two. */
export function agreement(matrices: readonly (readonly (readonly number[])[])[]): number | undefined {
  const pairs = matrices.flatMap((a, i) => matrices.slice(i + 1).map((b) => jaccard(a, b)));
  return pairs.length === 0 ? undefined : pairs.reduce((sum, one) => sum + one, 0) / pairs.length;
}
