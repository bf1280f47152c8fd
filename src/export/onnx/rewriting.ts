import type { OnnxInitializer, OnnxNode } from '../../graph/onnx/encode.js';
import type { EmitOptions } from '../../graph/primitive.js';
import type { Weight, WeightlessGraph } from './graph.js';

/** Nodes of a graph whose weights are being given a type. */
export class Rewriting {
  readonly nodes: OnnxNode[] = [];
  readonly initializers: OnnxInitializer[];
  private counter = 0;

  constructor({ initializers }: WeightlessGraph) {
    this.initializers = [...initializers];
  }

  /** Adds a node; returns the names of its outputs. */
  node(opType: string, inputs: readonly string[], options: EmitOptions = {}): string[] {
    const { count = 1, domain = '', attributes = {} } = options;
    const outputs = [...(options.outputs ?? Array.from({ length: count }, () => `w${this.counter++}`))];
    this.nodes.push({ opType, domain, inputs, outputs, attributes });
    return outputs;
  }

  initializer(initializer: OnnxInitializer): string {
    this.initializers.push(initializer);
    return initializer.name;
  }

  /** A weight as it is. */
  float32(weight: Weight): string {
    const { name, shape } = weight;
    const byteLength = 4 * sizeOf(weight);
    return this.initializer({
      name,
      dtype: 'float32',
      dims: shape,
      data: { byteLength, read: async () => bytesOf(await weight.read()) },
    });
  }
}

export function sizeOf({ shape }: Pick<Weight, 'shape'>): number {
  return shape.reduce((product, size) => product * size, 1);
}

export function bytesOf({ buffer, byteOffset, byteLength }: Float32Array | Uint16Array): Uint8Array {
  return new Uint8Array(buffer as ArrayBuffer, byteOffset, byteLength);
}

/** What two tensors are made of, kept from the first that is written to the second. */
export function readByTwo<T>(make: () => Promise<T>): () => Promise<T> {
  let kept: Promise<T> | undefined;
  return () => {
    const made = kept ?? make();
    kept = kept === undefined ? made : undefined;
    return made;
  };
}

/** The nodes that read each weight. */
export function readersOf({ nodes, weights }: WeightlessGraph): Map<string, OnnxNode[]> {
  const readers = new Map<string, OnnxNode[]>(weights.map(({ name }) => [name, []]));
  for (const node of nodes) for (const name of new Set(node.inputs)) readers.get(name)?.push(node);
  return readers;
}

/** True for a node that takes rows out of a table: types can be changed behind it, where the rows are few. */
export function takesRows({ opType, inputs }: OnnxNode, table: string): boolean {
  return (opType === 'Gather' || opType === 'Slice') && inputs[0] === table && !inputs.slice(1).includes(table);
}

/** A matrix that rows are multiplied by: `x W + c` or `x Wᵀ + c`. */
export interface Product {
  readonly x: string;
  readonly weight: string;
  readonly bias: string | undefined;
  readonly output: string;
  /** W lies as [out, in]. */
  readonly transposed: boolean;
  readonly alpha: number;
}

/** A node as the product with a weight, where it is one. */
export function productOf(node: OnnxNode, weights: ReadonlyMap<string, Weight>): Product | undefined {
  const [x, weight, bias] = node.inputs;
  if (node.opType !== 'Gemm' || !weights.has(weight!) || weights.has(x!)) return undefined;
  const { transA, transB, alpha } = node.attributes;
  if (transA !== undefined && 'int' in transA && transA.int === 1) return undefined;
  return {
    x: x!,
    weight: weight!,
    bias,
    output: node.outputs[0]!,
    transposed: transB !== undefined && 'int' in transB && transB.int === 1,
    alpha: alpha !== undefined && 'float' in alpha ? alpha.float : 1,
  };
}
