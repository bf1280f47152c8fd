import type { AdapterPlan } from '../adapters/plan.js';
import { elementCount } from '../checkpoint/dtype.js';
import { tensorValues } from '../checkpoint/tensorValues.js';
import { input, type Tensor } from '../graph/index.js';
import type { HeadTensor, Model } from '../models/model.js';
import { backboneTensor } from '../models/weights.js';
import { randomStream } from '../random.js';
import { type DeviceTensor, host } from '../runtime/deviceTensor.js';
import { arraysState, type Resumable } from '../state.js';

/** A tensor that is fed to the graph. It is fed where it lies and, unless it is frozen, updated there. */
export interface Parameter {
  readonly name: string;
  readonly shape: readonly number[];
  /** Its numbers, where a device keeps them; moments and gradients are kept beside it. */
  readonly tensor: DeviceTensor<Float32Array>;
  /** The numbers in place, for arithmetic in JavaScript: `tensor.host()`. */
  readonly values: Float32Array;
  /**
   * Weight decay applies to matrices, not to biases and norms (as transformers' Trainer has it), nor to the other vectors:
   * DoRA's magnitudes, which are no small correction to be drawn to 0, and VeRA's.
   */
  readonly decays: boolean;
  /** In the place of the optimiser's weight decay, where it decays. */
  readonly weightDecay?: number | undefined;
  /** Factor on the learning rate; default 1. */
  readonly rateFactor?: number | undefined;
  /** Never trained. */
  readonly frozen?: boolean | undefined;
}

/** A parameter of these numbers, which are changed in place. It lies on the host, and with it all that is kept beside it. */
export function parameter(
  name: string,
  shape: readonly number[],
  values: Float32Array,
  options: Pick<Parameter, 'rateFactor' | 'frozen'> = {},
): Parameter {
  const tensor = host.tensor(values, shape);
  return { name, shape, tensor, values: tensor.host(), decays: shape.length > 1, ...options };
}

/** The parameters of a plan with the values that `valuesOf` gives: its own tensors, and the base's that it replaces or fixes. */
export function parametersOf(plan: AdapterPlan, model: Model, valuesOf: (name: string) => Float32Array): Parameter[] {
  const own = plan.tensors.map(({ name, shape, rateFactor, frozen }) =>
    parameter(name, shape, valuesOf(name), { rateFactor, frozen }),
  );
  const ofBase = (name: string, frozen?: boolean) =>
    parameter(name, backboneTensor(model, name).shape, valuesOf(name), { frozen });
  const fixed = (plan.fixed ?? []).map((name) => ofBase(name, true));
  return [...own, ...plan.replaced.map((name) => ofBase(name)), ...fixed];
}

/** The parameters of a plan as they start: its own tensors fresh, those of the base as the checkpoint has them. */
export async function adapterParameters(plan: AdapterPlan, model: Model, seed: number): Promise<Parameter[]> {
  const values = new Map(await plan.initial(model, seed));
  for (const name of plan.replaced) values.set(name, await tensorValues(model.checkpoint, backboneTensor(model, name)));
  return parametersOf(plan, model, (name) => values.get(name)!);
}

/**
 * A head, freshly initialised: normal weights, zero biases, or where it is to start. A head that the checkpoint has starts
 * from its values.
 */
export async function headParameters(
  { head, checkpoint }: Pick<Model, 'head' | 'checkpoint'>,
  seed: number,
): Promise<Parameter[]> {
  return Promise.all(
    head.map(async ({ name, shape, deviation, start, stored }) => {
      const stream = randomStream(seed, 'head', name);
      const length = elementCount(shape);
      const drawn = () => Float32Array.from({ length }, () => (deviation === 0 ? 0 : deviation * stream.normal()));
      const fresh = () => (start === undefined ? drawn() : Float32Array.from(start));
      return parameter(name, shape, stored === undefined ? fresh() : await tensorValues(checkpoint, stored));
    }),
  );
}

/** How a head is trained, where not as everything else. */
export interface HeadTraining {
  /** Peak learning rate. */
  readonly headLr?: number | undefined;
  readonly headWeightDecay?: number | undefined;
}

/** The same parameters, those of the head with a learning rate and a decay of their own, where such are given. */
export function withHeadTraining(
  parameters: readonly Parameter[],
  head: readonly HeadTensor[],
  { lr, headLr, headWeightDecay }: HeadTraining & { readonly lr: number },
): Parameter[] {
  const names = new Set(head.map(({ name }) => name));
  const own = {
    ...(headLr === undefined ? {} : { rateFactor: headLr / lr }),
    ...(headWeightDecay === undefined ? {} : { weightDecay: headWeightDecay }),
  };
  return parameters.map((one) => (names.has(one.name) ? { ...one, ...own } : one));
}

/** The graph inputs that stand for parameters, by name. */
export function parameterInputs(parameters: readonly Parameter[]): Map<string, Tensor> {
  return new Map(parameters.map(({ name, shape }) => [name, input(name, 'float32', shape)]));
}

/** Feeds for the graph inputs of parameters: their own tensors. */
export function parameterFeeds(parameters: readonly Parameter[]): Record<string, DeviceTensor<Float32Array>> {
  return Object.fromEntries(parameters.map(({ name, tensor }) => [name, tensor]));
}

/** Those that are trained. */
export function trainedOf(parameters: readonly Parameter[]): Parameter[] {
  return parameters.filter(({ frozen }) => frozen !== true);
}

/** The values of parameters, as a checkpoint has them. */
export function valuesState(parameters: readonly Parameter[]): Resumable {
  return arraysState(Object.fromEntries(parameters.map(({ name, values }) => [name, values])));
}

/** Numbers that are trained. */
export function countParameters(parameters: readonly Parameter[]): number {
  return trainedOf(parameters).reduce((total, { values }) => total + values.length, 0);
}
