import { apply, ops } from '../ops.js';
import { sameShape } from '../shape.js';
import { type Node, nodeOf, nodesInOrder, type Tensor } from '../tensor.js';
import { rewrite } from './rewrite.js';

/**
 * One kernel for a residual's sum and the layer norm of it. Its statistics, which the derivative reads, are then those of the norm without
 * scale and bias that fuseStatistics has made of the same sum; where there is none, and something reads them, the two stay.
 */
export function skipNorms(outputs: readonly Tensor[]): Tensor[] {
  const found = sumsWithNorms(outputs);
  const made = new Map<Node, readonly Tensor[]>();
  return rewrite(outputs, (node, inputs) => {
    const known = made.get(node);
    if (known !== undefined) return known;
    const norms = found.get(node);
    if (norms === undefined) return undefined;
    const { norm, plain } = norms;
    const [, scale, bias] = norm.inputs;
    const [y, sum] = apply('skipLayerNorm', [...inputs, scale!, bias!], norm.attrs) as [Tensor, Tensor];
    if (plain === undefined) {
      made.set(norm, [y, ...norm.outputs.slice(1)]);
    } else {
      const [normal, mean, inverse] = ops.layerNorm(sum, plain.inputs[1]!, plain.inputs[2]!, plain.attrs.epsilon);
      made.set(plain, [normal!, mean!, inverse!]);
      made.set(norm, [y, mean!, inverse!]);
    }
    return [sum];
  });
}

/** The norm of a sum, and the norm without scale and bias of the same sum that has its statistics. */
interface Norms {
  readonly norm: Node<'layerNorm'>;
  readonly plain: Node<'layerNorm'> | undefined;
}

function sumsWithNorms(outputs: readonly Tensor[]): Map<Node, Norms> {
  const order = nodesInOrder(outputs);
  const read = new Set<Tensor>([...outputs, ...order.flatMap(({ inputs }) => inputs)]);
  const norms = order.filter((node): node is Node<'layerNorm'> => node.primitive === 'layerNorm');
  const found = new Map<Node, Norms>();
  for (const norm of norms) {
    const sum = nodeOf(norm.inputs[0]!);
    if (sum?.primitive !== 'add' || found.has(sum) || isPlain(norm)) continue;
    if (!sum.inputs.every(({ shape }) => sameShape(shape, sum.outputs[0]!.shape))) continue;
    // They come after the sum otherwise.
    if (norm.inputs.slice(1).some((tensor) => nodeOf(tensor) !== undefined)) continue;
    const isAlike = (other: Node<'layerNorm'>) =>
      isPlain(other) && other.inputs[0] === norm.inputs[0] && other.attrs.epsilon === norm.attrs.epsilon;
    const plain = norms.find(isAlike);
    if (plain === undefined && norm.outputs.slice(1).some((statistic) => read.has(statistic))) continue;
    found.set(sum, { norm, plain });
  }
  return found;
}

function isPlain({ inputs: [, scale, bias] }: Node<'layerNorm'>): boolean {
  const isAll = ({ origin }: Tensor, value: number) =>
    origin.kind === 'constant' && origin.data.every((one: number | bigint) => Number(one) === value);
  return isAll(scale!, 1) && isAll(bias!, 0);
}
