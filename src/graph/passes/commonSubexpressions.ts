import { reapply } from '../ops.js';
import type { Node, Tensor } from '../tensor.js';
import { rewrite } from './rewrite.js';

/** Computes equal expressions once: same primitive, same attributes, same inputs. */
export function commonSubexpressions(outputs: readonly Tensor[]): Tensor[] {
  const identities = new Map<Tensor | string, number>();
  const identityOf = (tensor: Tensor): number => {
    const key = tensor.origin.kind === 'constant' ? constantKey(tensor) : tensor;
    let identity = identities.get(key);
    if (identity === undefined) {
      identity = identities.size;
      identities.set(key, identity);
    }
    return identity;
  };
  const known = new Map<string, readonly Tensor[]>();
  return rewrite(outputs, (node: Node, inputs) => {
    const key = `${node.primitive}(${inputs.map(identityOf).join()})${JSON.stringify(node.attrs)}`;
    const earlier = known.get(key);
    if (earlier !== undefined) return earlier;
    const changed = inputs.some((tensor, i) => tensor !== node.inputs[i]);
    const results = changed ? reapply(node, inputs) : node.outputs;
    known.set(key, results);
    return results;
  });
}

function constantKey(tensor: Tensor): string | Tensor {
  const { origin } = tensor;
  if (origin.kind !== 'constant' || origin.data.length > 16) return tensor;
  const values = Array.from(origin.data as ArrayLike<number | bigint>, (value) =>
    Object.is(value, -0) ? '-0' : `${value}`,
  );
  return `${tensor.dtype}[${tensor.shape}]${values}`;
}
