/**
 * Dimensions of a tensor: a number, or a symbolic size known only when a step runs. Symbolic sizes are monomials over
 * named symbols, kept in one canonical spelling ("batch", "batch*seq", "4*batch"), so that equal sizes are equal strings.
 */
export type Dim = number | string;
/** Sizes of a tensor's axes; none for a scalar. */
export type Shape = readonly Dim[];

interface Monomial {
  readonly coefficient: number;
  readonly symbols: readonly string[];
}

/** Splits a dimension into its number and its symbols. */
export function factorsOf(dim: Dim): Monomial {
  if (typeof dim === 'number') return { coefficient: dim, symbols: [] };
  let coefficient = 1;
  const symbols: string[] = [];
  for (const factor of dim.split('*')) {
    if (/^\d+$/.test(factor)) coefficient *= Number(factor);
    else symbols.push(factor);
  }
  return { coefficient, symbols };
}

/** The product of dimensions in canonical spelling. */
export function multiplyDims(dims: Shape): Dim {
  let coefficient = 1;
  const symbols: string[] = [];
  for (const dim of dims) {
    const factors = factorsOf(dim);
    coefficient *= factors.coefficient;
    symbols.push(...factors.symbols);
  }
  if (symbols.length === 0 || coefficient === 0) return coefficient;
  const product = symbols.sort().join('*');
  return coefficient === 1 ? product : `${coefficient}*${product}`;
}

/** Shape of `a op b` under NumPy broadcasting. A symbolic size only meets itself or a literal 1. */
export function broadcastShapes(a: Shape, b: Shape): Shape {
  const rank = Math.max(a.length, b.length);
  return Array.from({ length: rank }, (_, axis) => {
    const left = a[axis - rank + a.length] ?? 1;
    const right = b[axis - rank + b.length] ?? 1;
    if (left === right || right === 1) return left;
    if (left === 1) return right;
    throw new Error(`shapes ${showShape(a)} and ${showShape(b)} do not broadcast at axis ${axis}`);
  });
}

/** Axes of `to` along which a tensor of shape `from` is repeated when broadcast to it. */
export function broadcastAxes(from: Shape, to: Shape): number[] {
  const offset = to.length - from.length;
  return to.map((_, axis) => axis).filter((axis) => axis < offset || (from[axis - offset] === 1 && to[axis] !== 1));
}

export function sameShape(a: Shape, b: Shape): boolean {
  return a.length === b.length && a.every((dim, axis) => dim === b[axis]);
}

/** `[batch, seq, 384]` */
export function showShape(shape: Shape): string {
  return `[${shape.join(', ')}]`;
}

/** Brings a negative axis into 0..rank-1. */
export function normalizeAxis(axis: number, rank: number): number {
  const normal = axis < 0 ? axis + rank : axis;
  if (!Number.isInteger(normal) || normal < 0 || normal >= rank) {
    throw new Error(`axis ${axis} is outside a tensor of rank ${rank}`);
  }
  return normal;
}
