import { reapply } from '../ops.js';
import { type Node, nodesInOrder, type Tensor } from '../tensor.js';

/** What a pass makes of one node whose inputs are already rewritten: other results, or undefined to keep it. */
export type Rule = (node: Node, inputs: readonly Tensor[]) => readonly Tensor[] | undefined;

/** Rebuilds the graph below `outputs` with a rule, inputs first. Unchanged nodes keep their identity. */
export function rewrite(outputs: readonly Tensor[], rule: Rule): Tensor[] {
  const replaced = new Map<Tensor, Tensor>();
  const current = (tensor: Tensor) => replaced.get(tensor) ?? tensor;
  for (const node of nodesInOrder(outputs)) {
    const inputs = node.inputs.map(current);
    const changed = inputs.some((tensor, i) => tensor !== node.inputs[i]);
    const results = rule(node, inputs) ?? (changed ? reapply(node, inputs) : node.outputs);
    for (const [i, output] of node.outputs.entries()) replaced.set(output, results[i]!);
  }
  return outputs.map(current);
}
