import { ops, reapply, type TokenPlaces } from '../ops.js';
import type { PrimitiveName } from '../primitives/index.js';
import { type Dim, multiplyDims, normalizeAxis } from '../shape.js';
import { type Node, nodeOf, nodesInOrder, type Tensor } from '../tensor.js';

/**
 * Takes padding out of all that is computed row by row over [batch*seq, …] (products with weights, norms, activations):
 * there the graph has rows of tokens alone, [tokens, …]. Elsewhere (attention, poolings, outputs) rows stand in their
 * places as before, with 0 where padding is. What depends on the content of padding is not kept: no model's output does.
 *
 * Before derivatives are taken, so that they have rows of tokens alone, too.
 */
export function packTokens(outputs: readonly Tensor[], places: TokenPlaces): Tensor[] {
  const padded = multiplyDims(places.places.shape);
  const tokens = places.rows.shape[0]!;
  const replaced = new Map<Tensor, Tensor>();
  const packed = new Map<Tensor, Tensor>();

  const paddedOf = (tensor: Tensor): Tensor => {
    const known = replaced.get(tensor);
    if (known !== undefined) return known;
    const own = packed.get(tensor);
    const made = own === undefined ? tensor : ops.unpack(own, places);
    replaced.set(tensor, made);
    return made;
  };
  const packedOf = (tensor: Tensor): Tensor => {
    const known = packed.get(tensor);
    if (known !== undefined) return known;
    const node = nodeOf(tensor);
    // A stretch of a pool is as good as any other: masks of dropout.
    const made =
      node?.primitive === 'window'
        ? ops.window(node.inputs[0]!, paddedOf(node.inputs[1]!), node.attrs.index, [tokens, ...tensor.shape.slice(1)])
        : ops.pack(paddedOf(tensor), places);
    packed.set(tensor, made);
    return made;
  };

  for (const node of nodesInOrder(outputs)) {
    if (isByRow(node, padded)) {
      const inputs = node.inputs.map((tensor) => (hasRows(tensor, padded) ? packedOf(tensor) : paddedOf(tensor)));
      for (const [i, made] of withRows(node, tokens, inputs).entries()) packed.set(node.outputs[i]!, made);
      continue;
    }
    const inputs = node.inputs.map(paddedOf);
    if (inputs.every((tensor, i) => tensor === node.inputs[i])) continue;
    for (const [i, made] of reapply(node, inputs).entries()) replaced.set(node.outputs[i]!, made);
  }
  return outputs.map(paddedOf);
}

const hasRows = ({ dtype, shape }: Tensor, padded: Dim) => dtype === 'float32' && shape[0] === padded;

/** Whether each row of the results depends on the same row of the operands, and on what all rows share. */
function isByRow(node: Node, padded: Dim): boolean {
  const rule = rules[node.primitive] as Rule | undefined;
  const rows = (tensor: Tensor) => hasRows(tensor, padded);
  return rule !== undefined && node.outputs.every(rows) && node.inputs.some(rows) && rule(node, padded);
}

/** The node for as many rows as there are tokens. */
function withRows(node: Node, tokens: Dim, inputs: readonly Tensor[]): readonly Tensor[] {
  if (node.primitive !== 'reshape' && node.primitive !== 'expand') return reapply(node, inputs);
  const shape = [tokens, ...node.attrs.shape.slice(1)];
  return [ops[node.primitive](inputs[0]!, shape)];
}

/** Of a node whose results and at least one operand have rows. */
type Rule<Name extends PrimitiveName = PrimitiveName> = (node: Node<Name>, padded: Dim) => boolean;

/** Operands with fewer axes, or with one row, are the same for all rows. */
const elementwise: Rule = ({ inputs, outputs: [y] }, padded) =>
  inputs.every((tensor) => tensor.shape.length < y!.shape.length || tensor.shape[0] === 1 || hasRows(tensor, padded));
const always: Rule = () => true;
/** What works on the last axis. */
const lastAxis: Rule = ({ inputs: [x] }) => x!.shape.length > 1;
const otherAxis: Rule<'slice' | 'pad' | 'shift' | 'concat'> = ({ inputs, attrs: { axis } }, padded) =>
  normalizeAxis(axis, inputs[0]!.shape.length) > 0 && inputs.every((tensor) => hasRows(tensor, padded));

const rules: { readonly [Name in PrimitiveName]?: Rule<Name> } = {
  add: elementwise,
  sub: elementwise,
  mul: elementwise,
  div: elementwise,
  neg: always,
  exp: always,
  log: always,
  sqrt: always,
  cos: always,
  sin: always,
  tanh: always,
  sigmoid: always,
  erf: always,
  relu: always,
  gelu: always,
  silu: always,
  stopGradient: always,
  boundary: always,
  softmax: lastAxis,
  logSoftmax: lastAxis,
  layerNorm: lastAxis,
  rmsNorm: lastAxis,
  matmul: ({ inputs: [a, b], attrs: { transA } }, padded) =>
    !transA && a!.shape.length === 2 && b!.shape.length === 2 && !hasRows(b!, padded),
  reshape: always,
  expand: ({ inputs: [x], outputs: [y] }) => x!.shape.length === y!.shape.length,
  transpose: ({ attrs: { perm } }) => perm[0] === 0,
  sum: ({ inputs: [x], attrs: { axes } }) => axes.every((axis) => normalizeAxis(axis, x!.shape.length) > 0),
  slice: otherAxis,
  pad: otherAxis,
  shift: otherAxis,
  concat: otherAxis,
};
