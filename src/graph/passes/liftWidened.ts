import { foldedNodes } from '../liveness.js';
import {
  type DType,
  type FloatDType,
  input,
  type Node,
  nodeOf,
  nodesInOrder,
  type StoredLocation,
  type Tensor,
} from '../tensor.js';
import { rewrite } from './rewrite.js';

/** A weight of a file in another precision that a graph reads as float32. */
export interface Widened {
  readonly location: StoredLocation;
  readonly dtype: Exclude<FloatDType, 'float32'>;
  readonly shape: readonly number[];
}

const isOther = (dtype: DType): dtype is Widened['dtype'] =>
  dtype === 'float16' || dtype === 'bfloat16' || dtype === 'float64';

/**
 * Makes inputs of the stored weights that are made float32 of another type, so that graphs over one file can be fed one wide copy:
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
    if (origin.kind !== 'stored' || !isOther(dtype)) return undefined;
    const name = `weight ${origin.location.name}`;
    // What lies in a file has sizes that are known.
    widened.set(name, { location: origin.location, dtype, shape: shape as readonly number[] });
    const lifted = inputs.get(name) ?? input(name, 'float32', shape);
    inputs.set(name, lifted);
    return [lifted];
  });
  return { outputs: lifted, widened };
}
