/** Mean cross-entropy of classes, or mean squared error where there is one output. @param logits [rows, outputs] */
export function meanLoss(logits: Float32Array, labels: readonly number[], outputs: number): number {
  const losses = labels.map((label, row) => {
    const one = Array.from(logits.subarray(row * outputs, (row + 1) * outputs));
    if (outputs === 1) return (one[0]! - label) ** 2;
    const highest = Math.max(...one);
    return highest + Math.log(one.reduce((sum, value) => sum + Math.exp(value - highest), 0)) - one[label]!;
  });
  return losses.reduce((sum, loss) => sum + loss, 0) / losses.length;
}
