/** The column of the largest value of each row of [n, columns], the lowest of equals. */
export function argmaxRows(values: Float32Array, columns: number): Int32Array {
  const best = new Int32Array(values.length / columns);
  for (let row = 0; row < best.length; row++) {
    for (let column = 1; column < columns; column++) {
      if (values[row * columns + column]! > values[row * columns + best[row]!]!) best[row] = column;
    }
  }
  return best;
}

/** Share of rows where both are equal. */
export function accuracy(predicted: ArrayLike<number>, expected: ArrayLike<number>): number {
  let right = 0;
  for (let i = 0; i < expected.length; i++) if (predicted[i] === expected[i]) right++;
  return right / expected.length;
}

/**
 * Matthews' correlation coefficient in Gorodkin's form for any number of classes (Comput. Biol. Chem. 28, 2004,
 * eq. 8), as scikit-learn's `matthews_corrcoef`: 0 when either side has only one class.
 */
export function matthews(predicted: ArrayLike<number>, expected: ArrayLike<number>): number {
  const n = expected.length;
  const { classes, predictedCounts, expectedCounts, right } = count(predicted, expected);
  let both = 0;
  let predictedSquares = 0;
  let expectedSquares = 0;
  let hits = 0;
  for (const label of classes) {
    const [p, e] = [predictedCounts[label]!, expectedCounts[label]!];
    both += p * e;
    predictedSquares += p * p;
    expectedSquares += e * e;
    hits += right[label]!;
  }
  const spread = (n * n - predictedSquares) * (n * n - expectedSquares);
  return spread === 0 ? 0 : (hits * n - both) / Math.sqrt(spread);
}

/**
 * F1: of class 1 where there are two classes, the plain mean over classes (macro) where there are more. As
 * scikit-learn's `f1_score` with `zero_division=0`; classes that neither side has do not count.
 */
export function f1(predicted: ArrayLike<number>, expected: ArrayLike<number>, numLabels = 2): number {
  const { classes, predictedCounts, expectedCounts, right } = count(predicted, expected);
  const of = (label: number) => {
    const total = (predictedCounts[label] ?? 0) + (expectedCounts[label] ?? 0);
    return total === 0 ? 0 : (2 * right[label]!) / total;
  };
  if (numLabels === 2) return of(1);
  return classes.reduce((sum, label) => sum + of(label), 0) / classes.length;
}

/** Pearson's correlation; NaN where it is undefined (fewer than two rows, or one side is constant), as in scipy. */
export function pearson(predicted: ArrayLike<number>, expected: ArrayLike<number>): number {
  const n = expected.length;
  if (n < 2 || isConstant(predicted) || isConstant(expected)) return Number.NaN;
  const [meanP, meanE] = [mean(predicted), mean(expected)];
  let both = 0;
  let squaresP = 0;
  let squaresE = 0;
  for (let i = 0; i < n; i++) {
    const [p, e] = [predicted[i]! - meanP, expected[i]! - meanE];
    both += p * e;
    squaresP += p * p;
    squaresE += e * e;
  }
  return Math.max(-1, Math.min(1, both / (Math.sqrt(squaresP) * Math.sqrt(squaresE))));
}

/**
 * Spearman's correlation: Pearson's of the ranks, equal values sharing the mean of theirs. NaN as in {@link pearson}.
 */
export function spearman(predicted: ArrayLike<number>, expected: ArrayLike<number>): number {
  return pearson(averageRanks(predicted), averageRanks(expected));
}

function averageRanks(values: ArrayLike<number>): Float64Array {
  const order = Array.from({ length: values.length }, (_, i) => i).sort((a, b) => values[a]! - values[b]!);
  const ranks = new Float64Array(values.length);
  for (let start = 0; start < order.length; ) {
    let end = start + 1;
    while (end < order.length && values[order[end]!] === values[order[start]!]) end++;
    for (let i = start; i < end; i++) ranks[order[i]!] = (start + end + 1) / 2;
    start = end;
  }
  return ranks;
}

/** Rows of each class on either side and of those where both agree; classes that neither side has are left out. */
function count(predicted: ArrayLike<number>, expected: ArrayLike<number>) {
  let largest = 0;
  for (let i = 0; i < expected.length; i++) largest = Math.max(largest, predicted[i]!, expected[i]!);
  const [predictedCounts, expectedCounts, right] = [0, 1, 2].map(() => new Int32Array(largest + 1));
  for (let i = 0; i < expected.length; i++) {
    predictedCounts![predicted[i]!]!++;
    expectedCounts![expected[i]!]!++;
    if (predicted[i] === expected[i]) right![expected[i]!]!++;
  }
  const classes = Array.from({ length: largest + 1 }, (_, label) => label).filter(
    (label) => predictedCounts![label]! + expectedCounts![label]! > 0,
  );
  return { classes, predictedCounts: predictedCounts!, expectedCounts: expectedCounts!, right: right! };
}

function isConstant(values: ArrayLike<number>): boolean {
  for (let i = 1; i < values.length; i++) if (values[i] !== values[0]) return false;
  return true;
}

function mean(values: ArrayLike<number>): number {
  let sum = 0;
  for (let i = 0; i < values.length; i++) sum += values[i]!;
  return sum / values.length;
}

/**
 * Σ (Rₙ − Rₙ₋₁) Pₙ over the thresholds that the scores make, as scikit-learn's `average_precision_score`; rows of one score
 * are taken together.
 * @param expected 1 for what belongs together, else 0
 */
export function averagePrecision(scores: ArrayLike<number>, expected: ArrayLike<number>): number {
  const order = Array.from({ length: scores.length }, (_, i) => i).sort((a, b) => scores[b]! - scores[a]!);
  const all = order.filter((i) => expected[i] === 1).length;
  let [found, before, sum] = [0, 0, 0];
  for (const [rank, i] of order.entries()) {
    if (expected[i] === 1) found++;
    if (scores[order[rank + 1] ?? -1] === scores[i]) continue;
    sum += ((found - before) * found) / (rank + 1);
    before = found;
  }
  return sum / all;
}
