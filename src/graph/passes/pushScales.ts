import { apply, ops, reapply } from '../ops.js';
import { type Node, nodeOf, nodesInOrder, type Tensor } from '../tensor.js';
import { rewrite } from './rewrite.js';

/**
 * Takes the factor of a product of more than two axes (1/√d of attention's scores, and twice in their derivative) over to a product of
 * matrices that it is computed from or that reads it, seen through views: where only these have a factor of their own, each would be a
 * kernel. A product of matrices is scaled where all that reads it is to be.
 */
export function pushScales(outputs: readonly Tensor[]): Tensor[] {
  const readers = readersOf(outputs);
  const moved = new Set<Node>();
  /** Products of matrices whose results are taken times a factor. */
  const results = new Map<Node, number>();
  /** Products of matrices that read what has lost one. */
  const operands = new Map<Node, number>();

  for (const node of scaledProducts(outputs)) {
    if (moved.has(node)) continue;
    for (const operand of node.inputs) {
      const root = nodeOf(belowViews(operand));
      if (root === undefined || !isMatrixProduct(root) || results.has(root)) continue;
      const all = readers(root.outputs[0]!);
      const isAlike = (by: Reader) =>
        by.kind === 'node' && isScaled(by.node) && by.node.attrs.alpha === node.attrs.alpha;
      if (!all.every((by) => isAlike(by) && !moved.has((by as { node: Node }).node))) continue;
      // A product of a tensor with itself has the factor once.
      if (new Set(all.map((by) => (by as { node: Node }).node)).size < all.length) continue;
      results.set(root, node.attrs.alpha);
      for (const by of all) if (by.kind === 'node') moved.add(by.node);
      break;
    }
  }
  for (const node of scaledProducts(outputs)) {
    if (moved.has(node)) continue;
    const all = readers(node.outputs[0]!);
    const takes = (by: Reader) => by.kind === 'node' && isMatrixProduct(by.node) && by.place < 2;
    if (!all.every(takes)) continue;
    moved.add(node);
    for (const by of all) {
      if (by.kind === 'node') operands.set(by.node, (operands.get(by.node) ?? 1) * node.attrs.alpha);
    }
  }

  return rewrite(outputs, (node, inputs) => {
    if (node.primitive === 'matmul' && moved.has(node)) {
      return [ops.matmul(inputs[0]!, inputs[1]!, { ...node.attrs, alpha: 1 })];
    }
    const result = results.get(node) ?? 1;
    const alpha = result * (operands.get(node) ?? 1);
    if (alpha === 1 && result === 1) return undefined;
    if (node.primitive === 'matmul') {
      return [ops.matmul(inputs[0]!, inputs[1]!, { ...node.attrs, alpha: node.attrs.alpha * alpha })];
    }
    if (node.primitive !== 'gemm') return reapply(node, inputs);
    const { alpha: own, beta = 1 } = node.attrs;
    return apply('gemm', inputs, { ...node.attrs, alpha: own * alpha, beta: beta * result });
  });
}

/** What reads a tensor: an operand of a node, or the world. */
type Reader = { readonly kind: 'output' } | { readonly kind: 'node'; readonly node: Node; readonly place: number };

/** All that reads a tensor, through views of it. */
function readersOf(outputs: readonly Tensor[]): (tensor: Tensor) => readonly Reader[] {
  const direct = new Map<Tensor, Reader[]>();
  const add = (tensor: Tensor, reader: Reader) => direct.set(tensor, [...(direct.get(tensor) ?? []), reader]);
  for (const node of nodesInOrder(outputs)) {
    for (const [place, tensor] of node.inputs.entries()) add(tensor, { kind: 'node', node, place });
  }
  for (const output of outputs) add(output, { kind: 'output' });
  const readers = (tensor: Tensor): Reader[] =>
    (direct.get(tensor) ?? []).flatMap((by) =>
      by.kind === 'node' && isView(by.node) ? readers(by.node.outputs[0]!) : [by],
    );
  return readers;
}

function belowViews(tensor: Tensor): Tensor {
  const node = nodeOf(tensor);
  return node !== undefined && isView(node) ? belowViews(node.inputs[0]!) : tensor;
}

const isView = ({ primitive }: Node) => primitive === 'reshape' || primitive === 'transpose';
const isMatrixProduct = ({ primitive, outputs }: Node) =>
  primitive === 'gemm' || (primitive === 'matmul' && outputs[0]!.shape.length === 2);
const isScaled = (node: Node): node is Node<'matmul'> =>
  node.primitive === 'matmul' && node.outputs[0]!.shape.length > 2 && node.attrs.alpha !== 1;
const scaledProducts = (outputs: readonly Tensor[]) => nodesInOrder(outputs).filter(isScaled);
