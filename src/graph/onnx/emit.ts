import { primitiveOf } from '../ops.js';
import { optimize, withFewKernels } from '../passes/index.js';
import type { EmitOptions, Emitter } from '../primitive.js';
import { type Dim, factorsOf } from '../shape.js';
import { nodesInOrder, type StoredLocation, type Tensor } from '../tensor.js';
import { type Dialect, type OptionalOperator, standardDialect, weightName, wholeDialect } from './dialect.js';
import { encodeModel, type OnnxInitializer, type OnnxModel, type OnnxNode, type OnnxValue } from './encode.js';

/** A graph as the runtime takes it. */
export interface EmittedGraph {
  /** The ONNX model, serialised; {@link stored} weights are external data. */
  readonly bytes: Uint8Array;
  readonly inputs: readonly OnnxValue[];
  readonly outputs: readonly OnnxValue[];
  /** Where the weights lie that are no part of `bytes`. */
  readonly stored: readonly StoredLocation[];
  readonly nodeCount: number;
}

/**
 * Optimises the graph that leads to the named outputs and emits it as one ONNX model.
 * @param dialect of the runtime that is to run it; default: all that ONNX Runtime has on the CPU
 */
export function emitGraph(named: Readonly<Record<string, Tensor>>, dialect: Dialect = wholeDialect): EmittedGraph {
  const { stored, ...model } = writeGraph(named, dialect);
  const { inputs, outputs, nodes } = model;
  return { bytes: encodeModel(model), inputs, outputs, stored, nodeCount: nodes.length };
}

/** The same in operators of the ONNX standard alone, for files that other runtimes open; not serialised yet. */
export function standardGraph(named: Readonly<Record<string, Tensor>>): OnnxModel {
  const { stored: _, ...model } = writeGraph(named, standardDialect);
  return model;
}

function writeGraph(named: Readonly<Record<string, Tensor>>, dialect: Dialect) {
  const names = Object.keys(named);
  const optimized = optimize(Object.values(named));
  const outputs = dialect.fewKernels ? withFewKernels(optimized, dialect) : optimized;
  const writer = new GraphWriter(nodesInOrder(outputs), outputs, dialect);
  const values = outputs.map((tensor, i) => writer.output(names[i]!, tensor));
  const { nodes, initializers, inputs, stored } = writer;
  return { nodes, initializers, inputs, outputs: values, stored };
}

class GraphWriter implements Emitter {
  readonly nodes: OnnxNode[] = [];
  readonly initializers: OnnxInitializer[] = [];
  readonly inputs: OnnxValue[] = [];
  readonly stored: StoredLocation[] = [];
  private readonly names = new Map<Tensor, string>();
  private readonly reused = new Map<string, string>();
  private counter = 0;

  constructor(
    order: ReturnType<typeof nodesInOrder>,
    outputs: readonly Tensor[],
    private readonly dialect: Dialect,
  ) {
    const used = new Set<Tensor>(outputs);
    for (const node of order) for (const tensor of node.inputs) used.add(tensor);
    for (const tensor of used) if (tensor.origin.kind === 'input') this.nameOf(tensor);
    for (const node of order) {
      const inputs = node.inputs.map((tensor) => this.nameOf(tensor));
      // Unused outputs have no name, but for the first: no operator may leave that out.
      const named = (tensor: Tensor, index: number) => index === 0 || used.has(tensor);
      const results = node.outputs.map((tensor, i) => (named(tensor, i) ? this.assign(tensor, this.fresh()) : ''));
      primitiveOf(node).emit(
        { inputs, outputs: results, attrs: node.attrs, inputTypes: node.inputs, outputTypes: node.outputs },
        this,
      );
    }
  }

  has(operator: OptionalOperator): boolean {
    return this.dialect.operators.has(operator);
  }

  /** Gives an output of the whole graph its name. */
  output(name: string, tensor: Tensor): OnnxValue {
    if (this.inputs.some((other) => other.name === name)) {
      throw new Error(`an input and an output of the graph are both called "${name}"`);
    }
    this.node('Identity', [this.nameOf(tensor)], { outputs: [name] });
    return { name, dtype: tensor.dtype, shape: tensor.shape };
  }

  node(opType: string, inputs: readonly string[], options: EmitOptions = {}): string[] {
    const outputs = [...(options.outputs ?? Array.from({ length: options.count ?? 1 }, () => this.fresh()))];
    this.nodes.push({ opType, domain: options.domain ?? '', inputs, outputs, attributes: options.attributes ?? {} });
    return outputs;
  }

  int64s(values: readonly number[]): string {
    return this.once(`int64s ${values}`, () => {
      const data = new Uint8Array(BigInt64Array.from(values, BigInt).buffer);
      return this.initializer('int64', [values.length], data);
    });
  }

  float(value: number): string {
    return this.once(`float ${value}`, () =>
      this.initializer('float32', [], new Uint8Array(Float32Array.of(value).buffer)),
    );
  }

  floats(values: Float32Array): string {
    return this.once(`floats ${values}`, () =>
      this.initializer('float32', [values.length], new Uint8Array(values.slice().buffer)),
    );
  }

  sizes(dims: readonly Dim[]): string {
    if (dims.every((dim) => typeof dim === 'number')) return this.int64s(dims);
    return this.once(`sizes ${dims}`, () => {
      if (dims.length === 1) return this.sizeOf(dims[0]!);
      const parts = dims.map((dim) => this.sizes([dim]));
      return this.node('Concat', parts, { attributes: { axis: { int: 0 } } })[0]!;
    });
  }

  /** A symbolic size as int64 [1]: read off an input that has it, or multiplied up from its factors. */
  private sizeOf(dim: Dim): string {
    const whole = this.inputWith(dim);
    if (whole !== undefined) {
      const [start, end] = [{ int: whole.axis }, { int: whole.axis + 1 }];
      return this.node('Shape', [whole.name], { attributes: { start, end } })[0]!;
    }
    const { coefficient, symbols } = factorsOf(dim);
    if (symbols.length === 1 && coefficient === 1) throw new Error(`no input of the graph has the size "${dim}"`);
    const factors = symbols.map((symbol) => this.sizes([symbol]));
    if (coefficient !== 1) factors.push(this.int64s([coefficient]));
    return factors.reduce((product, factor) => this.node('Mul', [product, factor])[0]!);
  }

  private inputWith(dim: Dim): { name: string; axis: number } | undefined {
    for (const { name, shape } of this.inputs) {
      const axis = shape.indexOf(dim);
      if (axis >= 0) return { name, axis };
    }
    return undefined;
  }

  private nameOf(tensor: Tensor): string {
    const known = this.names.get(tensor);
    if (known !== undefined) return known;
    const { origin } = tensor;
    switch (origin.kind) {
      case 'input': {
        if (this.inputs.some((other) => other.name === origin.name)) {
          throw new Error(`two inputs of the graph are called "${origin.name}"`);
        }
        this.inputs.push({ name: origin.name, dtype: tensor.dtype, shape: tensor.shape });
        return this.assign(tensor, origin.name);
      }
      case 'constant': {
        const { buffer, byteOffset, byteLength } = origin.data;
        const bytes = new Uint8Array(buffer as ArrayBuffer, byteOffset, byteLength);
        return this.assign(tensor, this.initializer(tensor.dtype, tensor.shape as number[], bytes));
      }
      case 'stored': {
        const { location } = origin;
        const apart = { ...location, file: weightName(this.stored.length), offset: 0 };
        this.stored.push(location);
        const place = this.dialect.weightsApart === true ? apart : location;
        return this.assign(tensor, this.initializer(tensor.dtype, tensor.shape as number[], place));
      }
      case 'result':
        throw new Error(`the result of ${origin.node.primitive} is used before it is computed`);
    }
  }

  private initializer(dtype: OnnxInitializer['dtype'], dims: readonly number[], data: OnnxInitializer['data']): string {
    const name = this.fresh();
    this.initializers.push({ name, dtype, dims, data });
    return name;
  }

  private assign(tensor: Tensor, name: string): string {
    this.names.set(tensor, name);
    return name;
  }

  private once(key: string, make: () => string): string {
    const known = this.reused.get(key) ?? make();
    this.reused.set(key, known);
    return known;
  }

  private fresh(): string {
    return `v${this.counter++}`;
  }
}
