import { ops, reapply } from '../ops.js';
import { type Node, nodeOf, nodesInOrder, type Tensor } from '../tensor.js';
import { rewrite } from './rewrite.js';

/**
 * What is read once more long after it was first read, as the backward pass reads what the forward pass gave, is computed
 * again instead of kept, where that takes a product or two of what the backward pass reads anyway: the derivative of SiLU
 * needs x and σ(x), of which SiLU is the product, and that of an RMS norm the normalised x. Between the two reads lies all of
 * the model, so that a decoder of gated layers keeps a third less. The first read stays what it was: a graph without a
 * derivative does not change.
 */
export function computeAgain(outputs: readonly Tensor[]): Tensor[] {
  const late = lateReads(nodesInOrder(outputs));
  const again = new Map<Tensor, () => Tensor>();
  return rewrite(outputs, (node, inputs) => {
    const read = inputs.map((now, i) => {
      const tensor = node.inputs[i]!;
      return late.get(node)?.has(tensor) === true ? again.get(tensor)!() : now;
    });
    const results = read.some((tensor, i) => tensor !== node.inputs[i]) ? reapply(node, read) : node.outputs;
    const [first] = node.outputs;
    if (first !== undefined && isCheap(first)) {
      const factor = (i: number) => again.get(node.inputs[i]!)?.() ?? read[i]!;
      const rule = rules[node.primitive];
      again.set(first, rule === undefined ? () => ops.mul(factor(0), factor(1)) : () => rule(read, results));
    }
    return results;
  });
}

/** The first result of a node from its inputs and its other results, by other operators: the runtime would merge equal ones. */
type Rule = (inputs: readonly Tensor[], outputs: readonly Tensor[]) => Tensor;
const rules: { readonly [Primitive in Node['primitive']]?: Rule } = {
  silu: ([x]) => ops.mul(x!, ops.sigmoid(x!)),
  rmsNorm: ([x, scale], [, inverse]) => ops.mul(ops.mul(x!, inverse!), scale!),
};

/** Whether there is a rule for a tensor: also a product of one that has a rule, which is what gated layers read. */
function isCheap(tensor: Tensor): boolean {
  const node = nodeOf(tensor);
  if (node === undefined || node.outputs[0] !== tensor) return false;
  return node.primitive in rules || (node.primitive === 'mul' && node.inputs.some(hasRule));
}

const hasRule = (tensor: Tensor) => (nodeOf(tensor)?.primitive ?? '') in rules;

/** For each node, the tensors with a rule that it reads after something that came from an earlier read of them. */
function lateReads(order: readonly Node[]): Map<Node, Set<Tensor>> {
  const readers = new Map<Tensor, Node[]>();
  for (const node of order) {
    for (const tensor of new Set(node.inputs)) {
      if (isCheap(tensor)) readers.set(tensor, [...(readers.get(tensor) ?? []), node]);
    }
  }
  const position = new Map(order.map((node, index) => [node, index]));
  const late = new Map<Node, Set<Tensor>>();
  for (const [tensor, nodes] of readers) {
    if (nodes.length < 2) continue;
    const reached = new Set<Node>(nodes);
    const first = position.get(nodes[0]!)!;
    const last = position.get(nodes.at(-1)!)!;
    for (const node of order.slice(first, last + 1)) {
      const follows = node.inputs.some((one) => reached.has(nodeOf(one)!));
      if (follows && nodes.includes(node)) late.set(node, (late.get(node) ?? new Set()).add(tensor));
      if (follows) reached.add(node);
    }
  }
  return late;
}
