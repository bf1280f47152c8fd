import { type AttrsOf, type NoAttrs, noAttrs, type Primitive } from './primitive.js';
import type { BoundaryAttrs } from './primitives/boundary.js';
import { type PrimitiveName, type Primitives, primitives } from './primitives/index.js';
import type { MatmulAttrs } from './primitives/matmul.js';
import type { PadAttrs } from './primitives/pad.js';
import type { RotaryAttrs } from './primitives/rotary.js';
import type { ShiftAttrs } from './primitives/shift.js';
import type { SliceAttrs } from './primitives/slice.js';
import type { SumAttrs } from './primitives/sum.js';
import { broadcastAxes, type Dim, multiplyDims, type Shape, sameShape } from './shape.js';
import { constant, type DType, type Node, nodeOf, type Tensor } from './tensor.js';

/** Applies a primitive; throws where the shapes do not fit. */
export function apply<Name extends PrimitiveName>(
  name: Name,
  inputs: readonly Tensor[],
  attrs: AttrsOf<Primitives[Name]>,
): readonly Tensor[] {
  // Name and attributes are given together, which TypeScript cannot see in a union.
  return applied({ primitive: name, inputs, attrs, outputs: [] } as Node);
}

/** The same primitive with the same attributes, on other inputs. */
export function reapply(node: Node, inputs: readonly Tensor[]): readonly Tensor[] {
  return applied({ ...node, inputs });
}

function applied(of: Node): readonly Tensor[] {
  const outputs: Tensor[] = [];
  const node: Node = { ...of, outputs };
  const types = primitiveOf(node).shape(node.inputs, node.attrs);
  for (const [index, { dtype, shape }] of types.entries()) {
    outputs.push({ dtype, shape, origin: { kind: 'result', node, index } });
  }
  return outputs;
}

/** The rules of a node's primitive. Its attributes are those that they take: the node was made with them. */
export function primitiveOf({ primitive }: Pick<Node, 'primitive'>): Primitive<Node['attrs']> {
  return primitives[primitive] as Primitive<Node['attrs']>;
}

/** d/d(inputs) of one result, given the cotangents of all results of its node. */
export function derivativeOfNode(node: Node, cotangents: readonly (Tensor | undefined)[]) {
  const { inputs, outputs, attrs } = node;
  return primitiveOf(node).derivative({ inputs, outputs, attrs, cotangents }, ops);
}

const one = (name: PrimitiveWithoutAttrs, ...inputs: Tensor[]): Tensor => apply(name, inputs, noAttrs)[0]!;
type PrimitiveWithoutAttrs = {
  [Name in PrimitiveName]: NoAttrs extends AttrsOf<Primitives[Name]> ? Name : never;
}[PrimitiveName];

/** Where the tokens of a padded batch stand. */
export interface TokenPlaces {
  /** Of each token, its row in [batch*seq]: int64 [tokens]. */
  readonly rows: Tensor;
  /** Of each position, its token, and the number of tokens where padding is: int64 [batch, seq]. */
  readonly places: Tensor;
}

/** The calls that graphs are written with: a typed one for each primitive, and a few compositions. */
export const ops = {
  /** a + b; shapes broadcast, as in all that is done element by element. */
  add: (a: Tensor, b: Tensor) => one('add', a, b),
  /** a − b */
  sub: (a: Tensor, b: Tensor) => one('sub', a, b),
  /** a · b */
  mul: (a: Tensor, b: Tensor) => one('mul', a, b),
  /** a / b */
  div: (a: Tensor, b: Tensor) => one('div', a, b),
  /** −x */
  neg: (x: Tensor) => one('neg', x),
  /** eˣ */
  exp: (x: Tensor) => one('exp', x),
  /** Natural logarithm. */
  log: (x: Tensor) => one('log', x),
  /** √x */
  sqrt: (x: Tensor) => one('sqrt', x),
  /** Cosine, x in radians. */
  cos: (x: Tensor) => one('cos', x),
  /** Sine, x in radians. */
  sin: (x: Tensor) => one('sin', x),
  /** Hyperbolic tangent. */
  tanh: (x: Tensor) => one('tanh', x),
  /** 1 / (1 + e⁻ˣ) */
  sigmoid: (x: Tensor) => one('sigmoid', x),
  /** Error function. */
  erf: (x: Tensor) => one('erf', x),
  /** max(x, 0) */
  relu: (x: Tensor) => one('relu', x),
  /** x · Φ(x), exact (arXiv 1606.08415). */
  gelu: (x: Tensor) => one('gelu', x),
  /** x · σ(x) (SiLU, arXiv 1606.08415) */
  silu: (x: Tensor) => one('silu', x),
  /** a > b as booleans; has no derivative. */
  greater: (a: Tensor, b: Tensor) => one('greater', a, b),
  /** a where the condition (bool) holds, b elsewhere; all three broadcast. */
  where: (condition: Tensor, a: Tensor, b: Tensor) => one('where', condition, a, b),
  /** x, through which nothing is differentiated. */
  stopGradient: (x: Tensor) => one('stopGradient', x),
  /** Over the last axis. */
  softmax: (x: Tensor) => one('softmax', x),
  /** Logarithm of the softmax over the last axis. */
  logSoftmax: (x: Tensor) => one('logSoftmax', x),
  /** Rows of a table [rows, …] by int64 indices of any shape: [...indices, …]. */
  gather: (table: Tensor, indices: Tensor) => one('gather', table, indices),
  /** The int64 scalar 0, there once all tensors have been computed. */
  done: (tensors: readonly Tensor[]) => one('done', ...tensors),
  /** x, but not before `done` is there. */
  after: (x: Tensor, done: Tensor) => one('after', x, done),
  /** x, marked as the end of a segment whose insides the backward pass computes anew. */
  boundary: (x: Tensor, attrs: BoundaryAttrs) => apply('boundary', [x], attrs)[0]!,

  /** alpha · op(a) op(b), op transposing the last two axes where asked; leading axes broadcast. */
  matmul: (a: Tensor, b: Tensor, attrs: Partial<MatmulAttrs> = {}) =>
    apply('matmul', [a, b], { transA: false, transB: false, alpha: 1, ...attrs })[0]!,
  /** alpha · op(a) op(b) + c for matrices. */
  gemm: (a: Tensor, b: Tensor, c: Tensor, attrs: MatmulAttrs) => apply('gemm', [a, b, c], attrs)[0]!,
  /** Sum over axes. */
  sum: (x: Tensor, attrs: SumAttrs) => (attrs.axes.length === 0 ? x : apply('sum', [x], attrs)[0]!),
  /** Broadcasts x to a shape. */
  expand: (x: Tensor, shape: Shape) => (sameShape(x.shape, shape) ? x : apply('expand', [x], { shape })[0]!),
  /** The same values in another shape of as many. */
  reshape: (x: Tensor, shape: Shape) => (sameShape(x.shape, shape) ? x : apply('reshape', [x], { shape })[0]!),
  /** Axes in the order `perm`. */
  transpose: (x: Tensor, perm: readonly number[]) => apply('transpose', [x], { perm })[0]!,
  /** `length` entries along an axis, from `start` on. */
  slice: (x: Tensor, attrs: SliceAttrs) => apply('slice', [x], attrs)[0]!,
  /** x moved along an axis, zeros coming in: y[i] = x[i − by]. */
  shift: (x: Tensor, attrs: ShiftAttrs) => (attrs.by === 0 ? x : apply('shift', [x], attrs)[0]!),
  /** Scores by distance [batch, heads, n, 2n] to scores by position [batch, heads, n, n] (arXiv 1901.02860, appendix B). */
  skew: (x: Tensor) => one('skew', x),
  /** The transpose of skew. */
  unskew: (x: Tensor) => one('unskew', x),
  /** x with zeros around it along one axis. */
  pad: (x: Tensor, attrs: PadAttrs) => apply('pad', [x], attrs)[0]!,
  /** Rows of tokens alone of x [batch*seq, …]: [tokens, …]. */
  pack: (x: Tensor, { rows, places }: TokenPlaces) => one('pack', x, rows, places),
  /** The transpose of pack: zeros where padding is. */
  unpack: (y: Tensor, { rows, places }: TokenPlaces) => one('unpack', y, rows, places),
  /** `size`: of the result along the axis, where sizes are symbolic. */
  concat: (parts: readonly Tensor[], axis: number, size?: Dim) =>
    apply('concat', parts, size === undefined ? { axis } : { axis, size })[0]!,
  /** Another element type. */
  cast: (x: Tensor, to: DType) => (x.dtype === to ? x : apply('cast', [x], { to })[0]!),
  /** Updates [...indices, …] added into rows of zeros [rows, …]: the transpose of gather. */
  scatterAdd: (indices: Tensor, updates: Tensor, rows: Dim) => apply('scatterAdd', [indices, updates], { rows })[0]!,
  /** 1 at the class of each int64 label, 0 elsewhere: [...labels, classes]. */
  oneHot: (labels: Tensor, classes: number) => apply('oneHot', [labels], { classes })[0]!,
  /** −log softmax(logits)[label]: logits [rows, classes], labels int64 [rows] to [rows]; 0 where the label is `ignoreIndex`. */
  crossEntropy: (logits: Tensor, labels: Tensor, ignoreIndex = -100) =>
    apply('crossEntropy', [logits, labels], { ignoreIndex })[0]!,
  /** y, mean and inverse standard deviation. */
  layerNorm: (x: Tensor, scale: Tensor, bias: Tensor, epsilon: number) =>
    apply('layerNorm', [x, scale, bias], { epsilon }),
  /** y and the inverse root mean square. */
  rmsNorm: (x: Tensor, scale: Tensor, epsilon: number) => apply('rmsNorm', [x, scale], { epsilon }),
  /** Rotary positions by rotate-half, as transformers has it. */
  rotary: (x: Tensor, cos: Tensor, sin: Tensor, attrs: RotaryAttrs = { inverse: false }) =>
    apply('rotary', [x, cos, sin], attrs)[0]!,
  /** 0 … length − 1, int64 [length]. */
  range: (length: Dim) => apply('range', [], { length })[0]!,
  /** A dimension as a float32 scalar. */
  size: (dim: Dim) => (typeof dim === 'number' ? constant(dim) : apply('size', [], { dim })[0]!),
  /** The stretch of a pool [length] that begins at offsets[index], as `shape`; no derivative. */
  window: (pool: Tensor, offsets: Tensor, index: number, shape: Shape) =>
    apply('window', [pool, offsets], { index, shape })[0]!,

  /** x times a number. */
  scale: (x: Tensor, factor: number): Tensor => (factor === 1 ? x : one('mul', x, constant(factor))),
  /** Mean over axes; sizes may be symbolic. */
  mean: (x: Tensor, { axes, keepDims }: SumAttrs): Tensor => {
    const count = multiplyDims(axes.map((axis) => x.shape.at(axis)!));
    return one('div', ops.sum(x, { axes, keepDims }), ops.size(count));
  },
  /** Sums a broadcast value back to the shape it was broadcast from. */
  sumTo: (x: Tensor, shape: Shape): Tensor => {
    if (sameShape(x.shape, shape)) return x;
    const axes = broadcastAxes(shape, x.shape);
    return ops.reshape(ops.sum(x, { axes, keepDims: false }), shape);
  },
  /** GELU's tanh approximation: x/2 · (1 + tanh(√(2/π) (x + 0.044715 x³))) (arXiv 1606.08415, section 2) */
  geluTanh: (x: Tensor): Tensor => {
    const cubic = one('mul', one('mul', x, x), ops.scale(x, 0.044715));
    const inner = ops.scale(one('add', x, cubic), Math.sqrt(2 / Math.PI));
    return one('mul', ops.scale(x, 0.5), one('add', one('tanh', inner), constant(1)));
  },
  /** A tensor of zeros. */
  zeros: (shape: Shape): Tensor => ops.expand(constant(0), shape),
  /** d/d(inputs) of the node of a result that has one output. */
  derivativeOf: (result: Tensor, cotangent: Tensor) => derivativeOfNode(nodeOf(result)!, [cotangent]),
};

export type Ops = typeof ops;
