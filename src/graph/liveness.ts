import { primitiveOf } from './ops.js';
import { factorsOf, type Shape } from './shape.js';
import { type DType, type Node, nodeOf, nodesInOrder, type Tensor } from './tensor.js';

const bytesOf: Readonly<Record<DType, number>> = { float32: 4, float16: 2, bfloat16: 2, float64: 8, int64: 8, bool: 1 };

/** Bytes of a tensor whose symbolic sizes are known. */
export function tensorBytes({ shape, dtype }: Pick<Tensor, 'shape' | 'dtype'>, sizes: Sizes): number {
  return bytesOf[dtype] * elementsOf(shape, sizes);
}

/** Values of symbolic sizes: `batch`, `seq`. */
export type Sizes = Readonly<Record<string, number>>;

/** Number of elements. @throws Error for a symbol without a value */
export function elementsOf(shape: Shape, sizes: Sizes): number {
  return shape.reduce<number>((product, dim) => {
    const { coefficient, symbols } = factorsOf(dim);
    return symbols.reduce((partial, symbol) => {
      const size = sizes[symbol];
      if (size === undefined) throw new Error(`the size "${symbol}" is not known`);
      return partial * size;
    }, product * coefficient);
  }, 1);
}

/** Nodes that depend on weights of the file alone: the runtime computes them once, when it opens the graph. */
export function foldedNodes(order: readonly Node[]): Set<Node> {
  const folded = new Set<Node>();
  for (const node of order) {
    const fixed = ({ origin }: Tensor) =>
      origin.kind === 'stored' || origin.kind === 'constant' || (origin.kind === 'result' && folded.has(origin.node));
    if (node.inputs.length > 0 && node.inputs.every(fixed)) folded.add(node);
  }
  return folded;
}

/**
 * The most bytes that results of nodes take at one time in a run. Inputs, weights, graph outputs (written into arrays of
 * the caller) and what operators need for themselves are not counted. Takes a graph as it is emitted, after the passes.
 */
export function peakOfResults(outputs: readonly Tensor[], sizes: Sizes): number {
  const given = nodesInOrder(outputs);
  const folded = foldedNodes(given);
  const order = executionOrder(given).filter((node) => !folded.has(node));
  const written = new Set(outputs);
  const buffers = new Map<Tensor, Buffer>();
  const bufferOf = (tensor: Tensor) => buffers.get(tensor);
  const readers = new Map<Tensor, number>();
  for (const tensor of order.flatMap(({ inputs }) => inputs)) {
    readers.set(tensor, (readers.get(tensor) ?? 0) + 1);
  }
  let [live, peak] = [0, 0];
  for (const node of order) {
    const { storage } = primitiveOf(node);
    const last = (tensor: Tensor) => bufferOf(tensor)?.readers === node.inputs.filter((one) => one === tensor).length;
    for (const tensor of node.outputs) {
      if (written.has(tensor)) continue;
      const reads = readers.get(tensor) ?? 0;
      const bytes = tensorBytes(tensor, sizes);
      const reused =
        storage === 'alias'
          ? node.inputs[0]
          : storage === 'inPlace'
            ? node.inputs.find((one) => last(one) && bufferOf(one)?.bytes === bytes)
            : undefined;
      const buffer = reused === undefined ? { bytes, readers: 0 } : bufferOf(reused);
      // An alias of an input or a weight.
      if (buffer === undefined) continue;
      if (reused === undefined) live += bytes;
      buffer.readers += reads;
      buffers.set(tensor, buffer);
    }
    peak = Math.max(peak, live);
    const unread = node.outputs.map(bufferOf).filter((buffer) => buffer?.readers === 0);
    for (const buffer of new Set(unread)) live -= buffer!.bytes;
    for (const tensor of node.inputs) {
      const buffer = bufferOf(tensor);
      if (buffer !== undefined && --buffer.readers === 0) live -= buffer.bytes;
    }
  }
  return peak;
}

interface Buffer {
  readonly bytes: number;
  /** Reads that are still to come. */
  readers: number;
}

/**
 * The order in which ONNX Runtime runs nodes that are given in that of {@link nodesInOrder}: depth first from the last
 * node that nobody reads, the operand that was given last before the others (GraphViewer, ExecutionOrder::DEFAULT).
 */
function executionOrder(given: readonly Node[]): Node[] {
  const position = new Map(given.map((node, index) => [node, index]));
  const read = new Set(given.flatMap(({ inputs }) => inputs.map(nodeOf)));
  const stack = given.filter((node) => !read.has(node)).map((node) => ({ node, leaves: false }));
  const entered = new Set<Node>();
  const order: Node[] = [];
  for (let top = stack.pop(); top !== undefined; top = stack.pop()) {
    if (top.leaves) order.push(top.node);
    if (top.leaves || entered.has(top.node)) continue;
    entered.add(top.node);
    stack.push({ node: top.node, leaves: true });
    const operands = top.node.inputs.map(nodeOf).filter((node) => node !== undefined);
    operands.sort((a, b) => position.get(a)! - position.get(b)!);
    for (const node of operands) stack.push({ node, leaves: false });
  }
  return order;
}
