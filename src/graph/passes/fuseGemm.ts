import { ops } from '../ops.js';
import { broadcastShapes, sameShape } from '../shape.js';
import { type Node, nodeOf, nodesInOrder, type Tensor } from '../tensor.js';
import { rewrite } from './rewrite.js';

/**
 * Turns matmul(a, b) + c of matrices into one gemm where nothing else uses the product: biases, the low-rank branch
 * and sums of gradients then cost no pass over memory of their own.
 */
export function fuseGemm(outputs: readonly Tensor[]): Tensor[] {
  const uses = countUses(outputs);
  return rewrite(outputs, (node, inputs) => {
    if (node.primitive !== 'add') return undefined;
    const sumShape = node.outputs[0]!.shape;
    for (const side of [1, 0]) {
      const product = productOf(inputs[side]!);
      const other = inputs[1 - side]!;
      if (product === undefined || uses.get(node.inputs[side]!) !== 1) continue;
      if (!sameShape(inputs[side]!.shape, sumShape) || !sameShape(broadcastShapes(sumShape, other.shape), sumShape)) {
        continue;
      }
      const [a, b] = product.inputs;
      return [ops.gemm(a!, b!, other, product.attrs)];
    }
    return undefined;
  });
}

/** The product of two matrices that a tensor is the result of, if it is one. */
function productOf(tensor: Tensor): Node<'matmul'> | undefined {
  const node = nodeOf(tensor);
  return node?.primitive === 'matmul' && tensor.shape.length === 2 ? node : undefined;
}

function countUses(outputs: readonly Tensor[]): Map<Tensor, number> {
  const uses = new Map<Tensor, number>();
  const use = (tensor: Tensor) => uses.set(tensor, (uses.get(tensor) ?? 0) + 1);
  for (const output of outputs) use(output);
  for (const node of nodesInOrder(outputs)) node.inputs.forEach(use);
  return uses;
}
