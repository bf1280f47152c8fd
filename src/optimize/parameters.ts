import { initialPair, loraA, loraB } from '../adapters/lora.js';
import type { AdapterPlan } from '../adapters/plan.js';
import { readTensor } from '../checkpoint/safetensors.js';
import { input, type Tensor } from '../graph/index.js';
import type { HeadTensor } from '../models/model.js';
import { randomStream } from '../random.js';
import type { Value } from '../runtime/session.js';

/** A trainable tensor. Its values are fed to the graph in place and updated in place. */
export interface Parameter {
  readonly name: string;
  readonly shape: readonly number[];
  readonly values: Float32Array;
  /** Weight decay applies to matrices, not to biases (as transformers' Trainer has it). */
  readonly decays: boolean;
}

export function parameter(name: string, shape: readonly number[], values: Float32Array): Parameter {
  return { name, shape, values, decays: shape.length > 1 };
}

/** The trainable tensors of a plan's pairs, freshly initialised. */
export function adapterParameters(plan: AdapterPlan, seed: number): Parameter[] {
  return plan.pairs.flatMap((pair) => {
    const { a, b } = initialPair(pair, plan.rank, seed);
    return [
      parameter(loraA(pair.name), [plan.rank, pair.inFeatures], a),
      parameter(loraB(pair.name), [pair.outFeatures, plan.rank], b),
    ];
  });
}

/** A head, freshly initialised: normal weights, zero biases. A head that the checkpoint has starts from its values. */
export async function headParameters(head: readonly HeadTensor[], seed: number): Promise<Parameter[]> {
  return Promise.all(
    head.map(async ({ name, shape, deviation, stored }) => {
      const stream = randomStream(seed, 'head', name);
      const length = shape.reduce((product, dim) => product * dim, 1);
      const fresh = () => Float32Array.from({ length }, () => (deviation === 0 ? 0 : deviation * stream.normal()));
      return parameter(name, shape, stored === undefined ? fresh() : await readTensor(stored));
    }),
  );
}

/** The graph inputs that stand for parameters, by name. */
export function parameterInputs(parameters: readonly Parameter[]): Map<string, Tensor> {
  return new Map(parameters.map(({ name, shape }) => [name, input(name, 'float32', shape)]));
}

/** Feeds for the graph inputs of parameters: their own arrays. */
export function parameterFeeds(parameters: readonly Parameter[]): Record<string, Value> {
  return Object.fromEntries(parameters.map(({ name, shape, values }) => [name, { data: values, shape }]));
}

export function countParameters(parameters: readonly Parameter[]): number {
  return parameters.reduce((total, { values }) => total + values.length, 0);
}
