import { derivativeOfNode, ops } from './ops.js';
import { constant, type Node, nodeOf, nodesInOrder, type Tensor } from './tensor.js';

/**
 * Reverse-mode derivatives of a scalar with respect to tensors, as tensors of the same graph language: the result can
 * be differentiated again. Only nodes on a path from one of `wrt` to the loss are differentiated, so nothing is spent
 * below the lowest trainable tensor. A tensor that the loss does not depend on gets zeros.
 *
 * @param loss float32 scalar, shape []
 */
export function grad(loss: Tensor, wrt: readonly Tensor[]): Tensor[] {
  if (loss.shape.length !== 0) throw new Error('grad needs a scalar loss');
  return pullback([loss], [constant(1)], wrt);
}

/** Vector-Jacobian product: Σ cotangentᵢ · ∂outputᵢ/∂w for each w of `wrt`. */
export function pullback(outputs: readonly Tensor[], cotangents: readonly Tensor[], wrt: readonly Tensor[]): Tensor[] {
  const order = nodesInOrder(outputs);
  const depends = dependents(order, new Set(wrt));
  const sums = new Map<Tensor, Tensor>();
  const addTo = (tensor: Tensor, part: Tensor) => {
    const sum = sums.get(tensor);
    sums.set(tensor, sum === undefined ? part : ops.add(sum, part));
  };
  for (const [i, output] of outputs.entries()) addTo(output, cotangents[i]!);

  for (const node of order.toReversed()) {
    if (!depends.has(node)) continue;
    const known = node.outputs.map((output) => sums.get(output));
    if (known.every((cotangent) => cotangent === undefined)) continue;
    const parts = derivativeOfNode(node, known);
    for (const [i, operand] of node.inputs.entries()) {
      const part = parts[i];
      if (part === undefined || !leadsTo(operand, depends, wrt)) continue;
      addTo(operand, part);
    }
  }
  return wrt.map((tensor) => sums.get(tensor) ?? ops.zeros(tensor.shape));
}

/** Nodes of `order` that depend on one of `roots`. */
export function dependents(order: readonly Node[], roots: ReadonlySet<Tensor>): Set<Node> {
  const result = new Set<Node>();
  for (const node of order) {
    const hit = node.inputs.some((operand) => roots.has(operand) || result.has(nodeOf(operand)!));
    if (hit) result.add(node);
  }
  return result;
}

function leadsTo(tensor: Tensor, depends: ReadonlySet<Node>, wrt: readonly Tensor[]): boolean {
  const node = nodeOf(tensor);
  return wrt.includes(tensor) || (node !== undefined && depends.has(node));
}
