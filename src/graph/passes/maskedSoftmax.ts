import { ops } from '../ops.js';
import { type Node, nodeOf, nodesInOrder, type Tensor } from '../tensor.js';
import { commonSubexpressions } from './commonSubexpressions.js';
import { rewrite } from './rewrite.js';

/**
 * The derivative of a softmax y whose result is masked, p = y · mask, one kernel shorter, where each costs time of its own: y (dp · mask −
 * Σ dp · mask · y) is t − y Σ t with t = dp · p, and p is there already.
 */
export function maskedSoftmax(outputs: readonly Tensor[]): Tensor[] {
  const masked = new Set<string>();
  const numbers = new Map<Tensor, number>();
  const numberOf = (tensor: Tensor) => {
    const number = numbers.get(tensor) ?? numbers.size;
    numbers.set(tensor, number);
    return number;
  };
  for (const { primitive, inputs } of nodesInOrder(outputs)) {
    if (primitive === 'mul') masked.add(inputs.map(numberOf).join());
  }
  const rewritten = rewrite(outputs, (node, inputs) => {
    if (node.primitive !== 'mul') return undefined;
    // Whether the masked result is there is a question to the graph as it was given.
    const given = partsOf(node.inputs);
    const now = partsOf(inputs);
    if (given === undefined || now === undefined || !masked.has([given.y, given.mask].map(numberOf).join()))
      return undefined;
    const t = ops.mul(now.dp, ops.mul(now.y, now.mask));
    return [ops.sub(t, ops.mul(now.y, ops.sum(t, { axes: [-1], keepDims: true })))];
  });
  return commonSubexpressions(rewritten);
}

/** Of the factors y and dy − Σ dy · y, with dy = dp · mask. */
function partsOf([y, difference]: readonly Tensor[]) {
  const [dy, total] = resultOf(difference!, 'sub')?.inputs ?? [];
  const [product] = (total && resultOf(total, 'sum')?.inputs) ?? [];
  const factors = (product && resultOf(product, 'mul')?.inputs) ?? [];
  const [dp, mask] = (dy && resultOf(dy, 'mul')?.inputs) ?? [];
  if (resultOf(y!, 'softmax') === undefined || dp === undefined || mask === undefined) return undefined;
  return factors[0] === dy && factors[1] === y ? { y: y!, dp, mask } : undefined;
}

function resultOf<Name extends Node['primitive']>(tensor: Tensor, name: Name): Node<Name> | undefined {
  const node = nodeOf(tensor);
  return node?.primitive === name ? (node as Node<Name>) : undefined;
}
