import { input, type Tensor } from '../../src/graph/index.js';
import { reapply } from '../../src/graph/ops.js';
import { nodesInOrder } from '../../src/graph/tensor.js';
import type { Value } from '../../src/runtime/session.js';
import { evaluate } from './evaluate.js';

/**
 * Values of `outputs` with every node compiled by itself, so that no pass can merge or fuse anything: what the passes
 * are compared with. Shapes must be static and every result float32.
 */
export async function nodeByNode(outputs: readonly Tensor[], feeds: Readonly<Record<string, Value>>): Promise<Value[]> {
  const values = new Map<Tensor, Value>();
  const known = (tensor: Tensor): Value => {
    const { origin } = tensor;
    if (origin.kind === 'input') return feeds[origin.name]!;
    if (origin.kind === 'constant') return { data: origin.data, shape: tensor.shape as number[] };
    return values.get(tensor)!;
  };
  for (const node of nodesInOrder(outputs)) {
    const fed = node.inputs.map(known);
    const inputs = node.inputs.map(({ dtype, shape }, i) => input(`x${i}`, dtype, shape));
    const results = reapply(node, inputs);
    const named = Object.fromEntries(results.map((result, i) => [`y${i}`, result]));
    const got = await evaluate<string>(named, Object.fromEntries(fed.map((value, i) => [`x${i}`, value])));
    for (const [i, output] of node.outputs.entries()) values.set(output, got[`y${i}`]!);
  }
  return outputs.map(known);
}
