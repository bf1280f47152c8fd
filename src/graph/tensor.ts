import type { AttrsOf } from './primitive.js';
import type { PrimitiveName, Primitives } from './primitives/index.js';
import type { Shape } from './shape.js';

/** Element type. */
export type DType = FloatDType | 'int64' | 'bool';

/** Types of weights in files. */
export type FloatDType = 'float32' | 'float16' | 'bfloat16' | 'float64';

/**
 * A value of the graph: immutable, identified by its object. A graph is nothing but the tensors that lead to its
 * outputs, so there is no builder, no registry and no global state.
 */
export interface Tensor {
  readonly dtype: DType;
  readonly shape: Shape;
  /** @internal */
  readonly origin: Origin;
}

export type Origin =
  /** Fed at every step. */
  | { readonly kind: 'input'; readonly name: string }
  /** Small and part of the graph itself. */
  | { readonly kind: 'constant'; readonly data: Float32Array | BigInt64Array }
  /** Bytes of a file, read in place by the runtime and never copied into JavaScript. */
  | { readonly kind: 'stored'; readonly location: StoredLocation }
  /** Output `index` of a primitive. */
  | { readonly kind: 'result'; readonly node: Node; readonly index: number };

/** Where a stored tensor lies: the real path of a file, byte offset and byte length. */
export interface StoredLocation {
  readonly name: string;
  readonly file: string;
  readonly offset: number;
  readonly length: number;
}

/** One application of a primitive, with the attributes that the primitive of that name declares. */
export type Node<Name extends PrimitiveName = PrimitiveName> = {
  [Each in Name]: {
    readonly primitive: Each;
    readonly inputs: readonly Tensor[];
    readonly attrs: AttrsOf<Primitives[Each]>;
    readonly outputs: readonly Tensor[];
  };
}[Name];

/** A tensor that is fed at every step. */
export function input(name: string, dtype: DType, shape: Shape): Tensor {
  return { dtype, shape, origin: { kind: 'input', name } };
}

/** A float32 constant: a number (shape []) or an array with its shape. */
export function constant(value: number | Float32Array, shape: readonly number[] = []): Tensor {
  const data = typeof value === 'number' ? Float32Array.of(value) : value;
  const size = shape.reduce((product, dim) => product * dim, 1);
  if (size !== data.length) throw new Error(`a constant of shape [${shape}] needs ${size} values, got ${data.length}`);
  return { dtype: 'float32', shape, origin: { kind: 'constant', data } };
}

/** A frozen weight that stays in its file. */
export function stored(location: StoredLocation, shape: readonly number[], dtype: FloatDType): Tensor {
  return { dtype, shape, origin: { kind: 'stored', location } };
}

/** The node that a tensor is a result of, if it is one. */
export function nodeOf(tensor: Tensor): Node | undefined {
  return tensor.origin.kind === 'result' ? tensor.origin.node : undefined;
}

/** Every node that leads to `outputs`, inputs before users. The order depends on the graph alone. */
export function nodesInOrder(outputs: readonly Tensor[]): Node[] {
  const done = new Set<Node>();
  const order: Node[] = [];
  const stack: { node: Node; next: number }[] = [];
  for (const output of outputs) {
    const root = nodeOf(output);
    if (root === undefined || done.has(root)) continue;
    stack.push({ node: root, next: 0 });
    while (stack.length > 0) {
      const top = stack[stack.length - 1]!;
      const operand = top.node.inputs[top.next++];
      if (operand === undefined) {
        stack.pop();
        if (!done.has(top.node)) {
          done.add(top.node);
          order.push(top.node);
        }
        continue;
      }
      const node = nodeOf(operand);
      if (node !== undefined && !done.has(node)) stack.push({ node, next: 0 });
    }
  }
  return order;
}
