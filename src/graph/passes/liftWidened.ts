import { foldedNodes } from '../liveness.js';
import { input, type Node, nodeOf, nodesInOrder, type StoredLocation, type Tensor } from '../tensor.js';
import { rewrite } from './rewrite.js';

/** A weight of a file in half precision that a graph reads as float32. */
export interface Widened {
  readonly location: StoredLocation;
  readonly dtype: 'float16' | 'bfloat16';
  readonly shape: readonly number[];
}

/**
 * Makes inputs of the stored weights that are widened to float32, so that graphs over one file can be fed one wide copy:
 * as part of a graph, each would be folded into a copy of its own. Those that something else is computed from before a
 * run (folded with them) stay.
 * @returns the outputs, and the weights by the names of their inputs
 */
export function liftWidened(outputs: readonly Tensor[]): { outputs: Tensor[]; widened: Map<string, Widened> } {
  const order = nodesInOrder(outputs);
  const folded = foldedNodes(order);
  const staying = new Set<Node | undefined>(outputs.map(nodeOf));
  for (const node of order) if (folded.has(node)) for (const tensor of node.inputs) staying.add(nodeOf(tensor));
  const widened = new Map<string, Widened>();
  const inputs = new Map<string, Tensor>();
  const lifted = rewrite(outputs, (node) => {
    if (node.primitive !== 'cast' || node.attrs.to !== 'float32' || staying.has(node)) return undefined;
    const { dtype, shape, origin } = node.inputs[0]!;
    if (origin.kind !== 'stored' || (dtype !== 'float16' && dtype !== 'bfloat16')) return undefined;
    const name = `weight ${origin.location.name}`;
    // What lies in a file has sizes that are known.
    widened.set(name, { location: origin.location, dtype, shape: shape as readonly number[] });
    const lifted = inputs.get(name) ?? input(name, 'float32', shape);
    inputs.set(name, lifted);
    return [lifted];
  });
  return { outputs: lifted, widened };
}
