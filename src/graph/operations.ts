import { elementsOf, foldedNodes, type Sizes } from './liveness.js';
import type { PrimitiveName } from './primitives/index.js';
import { type Node, nodesInOrder, type Tensor } from './tensor.js';

/**
 * Operations that an element of a result costs where it is not a product of matrices: what a processor could multiply and add
 * while it waits for an element to come from memory and go there. (Two cores with AVX2: 60 GFLOP/s, 15 GB/s.)
 */
const perElement = 16;

type Rule = (node: Node, sizes: Sizes) => number;

/** Two for each term, but no less than its way through memory: products with a matrix of low rank do little with what they read. */
const product: Rule = ({ inputs: [a, b], outputs: [y], attrs }, sizes) => {
  const inner = a!.shape.at('transA' in attrs && attrs.transA ? -2 : -1)!;
  const [first, second, result] = [a!, b!, y!].map(({ shape }) => elementsOf(shape, sizes));
  return Math.max(2 * result! * elementsOf([inner], sizes), perElement * (first! + second! + result!));
};
/** One pass over the result. */
const pass: Rule = ({ outputs }, sizes) => perElement * elementsOf(outputs[0]!.shape, sizes);
/** One pass over the first operand, of which the result is a part or a sum. */
const reading: Rule = ({ inputs }, sizes) => perElement * elementsOf(inputs[0]!.shape, sizes);
/** Another view of the same numbers, or a number that the runtime knows. */
const free: Rule = () => 0;

const rules: Readonly<Record<PrimitiveName, Rule>> = {
  add: pass,
  after: pass,
  boundary: free,
  cast: pass,
  concat: pass,
  cos: pass,
  crossEntropy: reading,
  div: pass,
  done: free,
  erf: pass,
  exp: pass,
  expand: pass,
  gather: pass,
  gelu: pass,
  gemm: product,
  greater: pass,
  layerNorm: pass,
  log: pass,
  logSoftmax: pass,
  matmul: product,
  mul: pass,
  neg: pass,
  oneHot: pass,
  pad: pass,
  range: free,
  relu: pass,
  reshape: free,
  rmsNorm: pass,
  rotary: pass,
  scatterAdd: pass,
  shift: pass,
  sigmoid: pass,
  sin: pass,
  size: free,
  skew: pass,
  slice: pass,
  softmax: pass,
  sqrt: pass,
  stopGradient: free,
  sub: pass,
  sum: reading,
  tanh: pass,
  transpose: pass,
  unskew: pass,
  where: pass,
  window: pass,
};

/**
 * Operations of one run of a graph as it is emitted, after the passes: two for each term of a product of matrices, and for
 * every other element that is written as many as fit into its way through memory. What depends on weights of the file alone
 * is computed once and not counted.
 */
export function operationsOf(outputs: readonly Tensor[], sizes: Sizes): number {
  const order = nodesInOrder(outputs);
  const folded = foldedNodes(order);
  return order.reduce((sum, node) => (folded.has(node) ? sum : sum + rules[node.primitive](node, sizes)), 0);
}
