import { ops } from '../ops.js';
import { nodeOf, type Tensor } from '../tensor.js';
import { rewrite } from './rewrite.js';

/** Turns matmul(transpose(a), b) into a flag of the product wherever the transpose swaps just the last two axes. */
export function foldTransposes(outputs: readonly Tensor[]): Tensor[] {
  return rewrite(outputs, (node, inputs) => {
    if (node.primitive !== 'matmul') return undefined;
    const { attrs } = node;
    const a = swapped(inputs[0]!);
    const b = swapped(inputs[1]!);
    if (a === undefined && b === undefined) return undefined;
    const folded = ops.matmul(a ?? inputs[0]!, b ?? inputs[1]!, {
      alpha: attrs.alpha,
      transA: a === undefined ? attrs.transA : !attrs.transA,
      transB: b === undefined ? attrs.transB : !attrs.transB,
    });
    return [folded];
  });
}

/** The tensor below a transpose of the last two axes, if this is one. */
function swapped(tensor: Tensor): Tensor | undefined {
  const node = nodeOf(tensor);
  if (node?.primitive !== 'transpose') return undefined;
  const { perm } = node.attrs;
  const rank = perm.length;
  const swapsLast = perm.every((axis, i) => axis === (i < rank - 2 ? i : i === rank - 2 ? rank - 1 : rank - 2));
  return swapsLast ? node.inputs[0] : undefined;
}
