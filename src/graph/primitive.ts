import type { OptionalOperator } from './onnx/dialect.js';
import type { Ops } from './ops.js';
import type { Dim, Shape } from './shape.js';
import type { DType, Tensor } from './tensor.js';

/** Type of a tensor: what a shape rule computes. */
export interface TensorType {
  readonly dtype: DType;
  readonly shape: Shape;
}

/** What the derivative rule of one node gets. */
export interface Derivative<Attrs> {
  readonly inputs: readonly Tensor[];
  readonly outputs: readonly Tensor[];
  readonly attrs: Attrs;
  /** d(loss)/d(output), one for each output; undefined where no path leads to the loss. At least one is there. */
  readonly cotangents: readonly (Tensor | undefined)[];
}

/** Writes nodes of an ONNX graph. Names are unique within the graph. */
export interface Emitter {
  /** Whether the runtime that the graph is written for has a kernel for it. */
  has(operator: OptionalOperator): boolean;
  /** Adds a node; returns the names of its outputs (those given, or new ones). */
  node(opType: string, inputs: readonly string[], options?: EmitOptions): string[];
  /** Name of a one-dimensional int64 constant. */
  int64s(values: readonly number[]): string;
  /** Name of a float32 scalar constant. */
  float(value: number): string;
  /** Name of a one-dimensional float32 constant. */
  floats(values: Float32Array): string;
  /** Name of a one-dimensional int64 tensor that holds these sizes when the step runs. */
  sizes(dims: readonly Dim[]): string;
}

export interface EmitOptions {
  readonly outputs?: readonly string[];
  readonly attributes?: Readonly<Record<string, AttributeValue>>;
  /** ONNX operator domain: '' (default) or 'com.microsoft'. */
  readonly domain?: '' | 'com.microsoft';
  /** Number of new outputs when `outputs` is not given. Default 1. */
  readonly count?: number;
}

export type AttributeValue =
  | { readonly int: number }
  | { readonly float: number }
  | { readonly ints: readonly number[] }
  | { readonly string: string };

export interface Emission<Attrs> {
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
  readonly attrs: Attrs;
  readonly inputTypes: readonly TensorType[];
  readonly outputTypes: readonly TensorType[];
}

/**
 * Where the runtime puts the first result: memory of its own (`fresh`), that of the first operand, of which it is another
 * view (`alias`), or that of an operand of the same size that nothing else reads any more (`inPlace`).
 */
export type Storage = 'fresh' | 'alias' | 'inPlace';

/**
 * One primitive: shape rule, derivative rule, ONNX emission and storage in one place. A derivative rule is written in
 * primitives, so gradients can be differentiated again. It returns d(loss)/d(input) for each input, undefined where
 * an input has no derivative (indices, masks).
 */
export interface Primitive<Attrs> {
  readonly storage: Storage;
  shape(inputs: readonly TensorType[], attrs: Attrs): readonly TensorType[];
  derivative(at: Derivative<Attrs>, ops: Ops): readonly (Tensor | undefined)[];
  emit(at: Emission<Attrs>, onnx: Emitter): void;
}

/** The attribute type of a primitive. */
export type AttrsOf<P> = P extends Primitive<infer Attrs> ? Attrs : never;

/** Attributes of a primitive that has none. */
export type NoAttrs = Readonly<Record<string, never>>;
export const noAttrs: NoAttrs = {};
