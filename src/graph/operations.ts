import { elementsOf, foldedNodes, type Sizes } from './liveness.js';
import type { PrimitiveName } from './primitives/index.js';
import { type Node, nodesInOrder, type Tensor } from './tensor.js';

/**
 * What an element costs that is read or written, in operations: as many as a processor could do while it waits for one to come
 * from memory or go there. (Two cores with AVX2: 60 GFLOP/s, 15 GB/s.)
 */
const perElement = 16;

type Rule = (node: Node, sizes: Sizes) => number;

const touched = (tensors: readonly Tensor[], sizes: Sizes) =>
  tensors.reduce((sum, { shape }) => sum + elementsOf(shape, sizes), 0);

/** Two for each term, but no less than its way through memory: products with a matrix of low rank do little with what they read. */
const product: Rule = ({ inputs: [a, b], outputs: [y], attrs }, sizes) => {
  const inner = a!.shape.at('transA' in attrs && attrs.transA ? -2 : -1)!;
  return Math.max(2 * elementsOf([...y!.shape, inner], sizes), perElement * touched([a!, b!, y!], sizes));
};
/** One pass over what is read and what is written. */
const pass: Rule = ({ inputs, outputs }, sizes) => perElement * touched([...inputs, outputs[0]!], sizes);
/** Reads as much as it writes: rows of a table, a stretch of a pool. */
const copying: Rule = ({ outputs }, sizes) => 2 * perElement * elementsOf(outputs[0]!.shape, sizes);
/** Another view of the same numbers, or a number that the runtime knows. */
const free: Rule = () => 0;

const rules: Readonly<Record<PrimitiveName, Rule>> = {
  add: pass,
  after: pass,
  boundary: free,
  cast: pass,
  concat: pass,
  cos: pass,
  crossEntropy: pass,
  div: pass,
  done: free,
  erf: pass,
  exp: pass,
  expand: copying,
  gather: copying,
  gelu: pass,
  gemm: product,
  greater: pass,
  layerNorm: pass,
  log: pass,
  logSoftmax: pass,
  matmul: product,
  mul: pass,
  neg: pass,
  oneHot: copying,
  pack: copying,
  pad: copying,
  range: free,
  reduceMean: pass,
  relu: pass,
  reshape: free,
  rmsNorm: pass,
  rotary: pass,
  scatterAdd: pass,
  shift: pass,
  sigmoid: pass,
  silu: pass,
  sin: pass,
  size: free,
  skew: pass,
  skipLayerNorm: pass,
  slice: copying,
  softmax: pass,
  sqrt: pass,
  stopGradient: free,
  sub: pass,
  sum: pass,
  tanh: pass,
  transpose: pass,
  unpack: copying,
  unskew: pass,
  where: pass,
  window: copying,
};

/**
 * Operations of one run of a graph as it is emitted, after the passes: two for each term of a product of matrices, and for
 * whatever is limited by memory as many as fit into the way of its elements. What depends on weights of the file alone is
 * computed once and not counted.
 */
export function operationsOf(outputs: readonly Tensor[], sizes: Sizes): number {
  const order = nodesInOrder(outputs);
  const folded = foldedNodes(order);
  return order.reduce((sum, node) => (folded.has(node) ? sum : sum + rules[node.primitive](node, sizes)), 0);
}
