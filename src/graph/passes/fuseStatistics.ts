import { apply, ops } from '../ops.js';
import { constant, type Node, nodeOf, type Tensor } from '../tensor.js';
import { rewrite } from './rewrite.js';

/**
 * Writes derivatives of norms with fewer kernels, where each costs time of its own: a sum times one over the number of its terms
 * is a mean, and what a layer norm has normalised, (x − mean) · inverse deviation, is the layer norm of x by itself. Three of twelve
 * kernels of a layer norm's derivative. Last bits change, so that the CPU, to which a kernel costs nothing, goes without.
 */
export function fuseStatistics(outputs: readonly Tensor[]): Tensor[] {
  return rewrite(outputs, (node, inputs) => {
    if (node.primitive !== 'mul') return undefined;
    const fused = meanOf(inputs) ?? normalisedOf(inputs);
    return fused && [fused];
  });
}

function meanOf([total, factor]: readonly Tensor[]): Tensor | undefined {
  const sum = resultOf(total!, 'sum');
  const { origin } = factor!;
  if (sum === undefined || origin.kind !== 'constant' || origin.data.length !== 1) return undefined;
  const { axes } = sum.attrs;
  const sizes = axes.map((axis) => sum.inputs[0]!.shape.at(axis));
  if (!sizes.every((size) => typeof size === 'number')) return undefined;
  const count = sizes.reduce((product, size) => product * size, 1);
  if (Number(origin.data[0]) !== Math.fround(1 / count)) return undefined;
  return apply('reduceMean', sum.inputs, sum.attrs)[0];
}

function normalisedOf([centred, inverse]: readonly Tensor[]): Tensor | undefined {
  const difference = resultOf(centred!, 'sub');
  const norm = resultOf(inverse!, 'layerNorm');
  if (difference === undefined || norm === undefined || inverse !== norm.outputs[2]) return undefined;
  const [x, mean] = difference.inputs;
  if (x !== norm.inputs[0] || mean !== norm.outputs[1]) return undefined;
  const width = x!.shape.at(-1) as number;
  const every = (value: number) => constant(new Float32Array(width).fill(value), [width]);
  return ops.layerNorm(x!, every(1), every(0), norm.attrs.epsilon)[0];
}

function resultOf<Name extends Node['primitive']>(tensor: Tensor, name: Name): Node<Name> | undefined {
  const node = nodeOf(tensor);
  return node?.primitive === name ? (node as Node<Name>) : undefined;
}
