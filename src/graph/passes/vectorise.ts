import { ops, reapply } from '../ops.js';
import type { PrimitiveName } from '../primitives/index.js';
import type { MatmulAttrs } from '../primitives/matmul.js';
import { multiplyDims, normalizeAxis, type Shape } from '../shape.js';
import { constant, type Node, nodesInOrder, type Tensor } from '../tensor.js';

/** How a graph is run for several sets of inputs at once. */
export interface Lanes {
  readonly count: number;
  /** The inputs of which each lane has its own, by name; all else is shared. */
  readonly own: (name: string) => boolean;
}

/**
 * The same graph for `count` sets of inputs at once (a vectorising map, as `vmap` of JAX): an input that lanes have of
 * their own gets a leading axis [count, …], and so does all that follows from one. Products with shared matrices stay one
 * product over the rows of all lanes. Every output has the leading axis.
 */
export function vectorise(outputs: readonly Tensor[], { count, own }: Lanes): Tensor[] {
  const made = new Map<Tensor, Operand>();
  const operandOf = (tensor: Tensor): Operand => {
    const known = made.get(tensor);
    if (known !== undefined) return known;
    const { origin, shape } = tensor;
    const isOwn = origin.kind === 'input' && own(origin.name);
    const operand = { shape, isOwn, tensor: isOwn ? { ...tensor, shape: [count, ...shape] } : tensor };
    made.set(tensor, operand);
    return operand;
  };
  for (const node of nodesInOrder(outputs)) {
    const operands = node.inputs.map(operandOf);
    if (!operands.some(({ isOwn }) => isOwn)) continue;
    const results = ruleOf(node)(node, operands, count);
    for (const [i, { shape }] of node.outputs.entries()) {
      made.set(node.outputs[i]!, { shape, isOwn: true, tensor: results[i]! });
    }
  }
  return outputs.map((output) => spread(operandOf(output), count));
}

/** A tensor of the graph, and what stands in its place. */
interface Operand {
  /** Of one lane. */
  readonly shape: Shape;
  /** Whether lanes have their own: then `tensor` is [count, ...shape]. */
  readonly isOwn: boolean;
  readonly tensor: Tensor;
}

/** The results of a node for all lanes, [count, …] each; at least one operand is the lanes' own. */
type Rule<Name extends PrimitiveName = PrimitiveName> = (
  node: Node<Name>,
  operands: readonly Operand[],
  count: number,
) => readonly Tensor[];

function ruleOf(node: Node): Rule {
  return rules[node.primitive] as Rule;
}

/** [count, ...shape], repeated where the lanes share it. */
function spread({ tensor, shape, isOwn }: Operand, count: number): Tensor {
  return isOwn ? tensor : ops.expand(ops.reshape(tensor, [1, ...shape]), [count, ...shape]);
}

/** A tensor of `rank` axes behind that of the lanes, so that it broadcasts against others. */
function aligned({ tensor, shape, isOwn }: Operand, rank: number, count: number): Tensor {
  if (!isOwn) return tensor;
  return ops.reshape(tensor, [count, ...Array.from({ length: rank - shape.length }, () => 1), ...shape]);
}

const elementwise: Rule = (node, operands, count) => {
  const rank = node.outputs[0]!.shape.length;
  return reapply(
    node,
    operands.map((one) => aligned(one, rank, count)),
  );
};

/** What works on the last axes, whatever stands before them. */
const lastAxes: Rule = (node, operands) =>
  reapply(
    node,
    operands.map(({ tensor }) => tensor),
  );

/** What has no operand, comes into a graph after this pass, or has sizes that lanes do not share. */
const never: Rule = ({ primitive }) => {
  throw new Error(`${primitive} has no operand that could be a lane's own`);
};

/** What works on four axes of which the first is a batch. */
const batched: Rule = (node, [x, ...shared], count) => {
  if (shared.some(({ isOwn }) => isOwn))
    throw new Error(`the second operand of ${node.primitive} cannot be a lane's own`);
  const [batch, ...rest] = x!.shape;
  const rows = ops.reshape(spread(x!, count), [multiplyDims([count, batch!]), ...rest]);
  return reapply(node, [rows, ...shared.map(({ tensor }) => tensor)]).map((made, i) =>
    ops.reshape(made, [count, ...node.outputs[i]!.shape]),
  );
};

/** The axis of a lane's tensor that is `axis` of a single one. */
const shifted = (axis: number, { shape }: Operand) => normalizeAxis(axis, shape.length) + 1;

function product([a, b]: readonly Operand[], attrs: MatmulAttrs, count: number): Tensor {
  const [left, right] = [a!, b!];
  // One product over the rows of all lanes.
  if (!right.isOwn && !attrs.transA && left.shape.length === 2 && right.shape.length === 2) {
    const [rows, inner] = left.shape as [Shape[0], Shape[0]];
    const all = ops.matmul(ops.reshape(left.tensor, [multiplyDims([count, rows!]), inner!]), right.tensor, attrs);
    return ops.reshape(all, [count, rows!, all.shape[1]!]);
  }
  const rank = Math.max(left.shape.length, right.shape.length);
  return ops.matmul(aligned(left, rank, count), aligned(right, rank, count), attrs);
}

/** Places in tables of `rows` rows that lie one behind the other, a table a lane. */
function placesInAll(indices: Operand, rows: Shape[number], count: number): Tensor {
  const size = ops.cast(ops.size(rows), 'int64');
  const starts = ops.mul(ops.range(count), size);
  return ops.add(spread(indices, count), ops.reshape(starts, [count, ...indices.shape.map(() => 1)]));
}

const rules: { readonly [Name in PrimitiveName]: Rule<Name> } = {
  add: elementwise,
  sub: elementwise,
  mul: elementwise,
  div: elementwise,
  greater: elementwise,
  where: elementwise,
  neg: lastAxes,
  exp: lastAxes,
  log: lastAxes,
  sqrt: lastAxes,
  cos: lastAxes,
  sin: lastAxes,
  tanh: lastAxes,
  sigmoid: lastAxes,
  erf: lastAxes,
  relu: lastAxes,
  gelu: lastAxes,
  silu: lastAxes,
  cast: lastAxes,
  stopGradient: lastAxes,
  boundary: lastAxes,
  softmax: lastAxes,
  logSoftmax: lastAxes,
  oneHot: lastAxes,
  size: never,
  range: never,
  done: never,
  after: never,
  pack: never,
  unpack: never,
  reduceMean: never,
  skipLayerNorm: never,

  matmul: ({ attrs }, operands, count) => [product(operands, attrs, count)],
  gemm: ({ attrs, outputs }, [a, b, c], count) => {
    const both = product([a!, b!], attrs, count);
    return [ops.add(a!.isOwn || b!.isOwn ? both : ops.reshape(both, [1, ...outputs[0]!.shape]), aligned(c!, 2, count))];
  },
  reshape: ({ attrs }, [x], count) => [ops.reshape(x!.tensor, [count, ...attrs.shape])],
  expand: ({ attrs }, [x], count) => [ops.expand(aligned(x!, attrs.shape.length, count), [count, ...attrs.shape])],
  transpose: ({ attrs }, [x]) => [ops.transpose(x!.tensor, [0, ...attrs.perm.map((axis) => axis + 1)])],
  sum: ({ attrs }, [x]) => [ops.sum(x!.tensor, { ...attrs, axes: attrs.axes.map((axis) => shifted(axis, x!)) })],
  slice: ({ attrs }, [x]) => [ops.slice(x!.tensor, { ...attrs, axis: shifted(attrs.axis, x!) })],
  pad: ({ attrs }, [x]) => [ops.pad(x!.tensor, { ...attrs, axis: shifted(attrs.axis, x!) })],
  shift: ({ attrs }, [x]) => [ops.shift(x!.tensor, { ...attrs, axis: shifted(attrs.axis, x!) })],
  concat: ({ attrs }, operands, count) => [
    ops.concat(
      operands.map((one) => spread(one, count)),
      shifted(attrs.axis, operands[0]!),
      attrs.size,
    ),
  ],
  skew: batched,
  unskew: batched,
  rotary: batched,

  layerNorm: (node, [x, scale, bias], count) => {
    const all = spread(x!, count);
    if (!scale!.isOwn && !bias!.isOwn) return reapply(node, [all, scale!.tensor, bias!.tensor]);
    const width = x!.shape.at(-1) as number;
    const ones = constant(new Float32Array(width).fill(1), [width]);
    const [normal, ...statistics] = reapply(node, [all, ones, constant(new Float32Array(width), [width])]);
    const rank = x!.shape.length;
    return [ops.add(ops.mul(normal!, aligned(scale!, rank, count)), aligned(bias!, rank, count)), ...statistics];
  },
  rmsNorm: (node, [x, scale], count) => {
    const all = spread(x!, count);
    if (!scale!.isOwn) return reapply(node, [all, scale!.tensor]);
    const width = x!.shape.at(-1) as number;
    const [normal, inverse] = reapply(node, [all, constant(new Float32Array(width).fill(1), [width])]);
    return [ops.mul(normal!, aligned(scale!, x!.shape.length, count)), inverse!];
  },
  crossEntropy: ({ attrs }, [logits, labels], count) => {
    const [rows, classes] = logits!.shape as [Shape[0], Shape[0]];
    const all = multiplyDims([count, rows!]);
    const losses = ops.crossEntropy(
      ops.reshape(spread(logits!, count), [all, classes!]),
      ops.reshape(spread(labels!, count), [all]),
      attrs.ignoreIndex,
    );
    return [ops.reshape(losses, [count, rows!])];
  },
  gather: (_, [table, indices], count) => {
    if (!table!.isOwn) return [ops.gather(table!.tensor, indices!.tensor)];
    const [rows, ...rest] = table!.shape;
    const all = ops.reshape(table!.tensor, [multiplyDims([count, rows!]), ...rest]);
    return [ops.gather(all, placesInAll(indices!, rows!, count))];
  },
  scatterAdd: ({ attrs: { rows } }, [indices, updates], count) => {
    const all = ops.scatterAdd(
      placesInAll(indices!, rows, count),
      spread(updates!, count),
      multiplyDims([count, rows]),
    );
    return [ops.reshape(all, [count, rows, ...updates!.shape.slice(indices!.shape.length)])];
  },
  window: ({ attrs }, [pool, offsets], count) => {
    if (pool!.isOwn) throw new Error("a pool cannot be a lane's own");
    const lanes = Array.from({ length: count }, (_, start) => {
      const own = ops.reshape(ops.slice(offsets!.tensor, { axis: 0, start, length: 1 }), offsets!.shape);
      return ops.reshape(ops.window(pool!.tensor, own, attrs.index, attrs.shape), [1, ...attrs.shape]);
    });
    return [ops.concat(lanes, 0)];
  },
};
