import type { AdapterPlan } from '../adapters/plan.js';
import { grad, ops, type Tensor } from '../graph/index.js';
import type { Model } from '../models/model.js';
import { type DeviceTensor, host, zerosLike } from '../runtime/deviceTensor.js';
import type { Value } from '../runtime/session.js';
import type { Batch } from './batch.js';
import { dropoutSites } from './dropout.js';
import { type AdaptedGraph, type AdaptedGraphOptions, adaptedGraph, batchFeeds } from './modelGraph.js';
import { type Objective, objectiveRows } from './objective.js';
import type { Parameter } from './parameters.js';
import { openProgram } from './program.js';

export interface GradientStepOptions {
  readonly objective: Objective;
  readonly plan: AdapterPlan;
  /** Every trainable tensor of the graph, head and adapters, and whatever `gates` reads. */
  readonly parameters: readonly Parameter[];
  /** Those to differentiate by: a subset of `parameters`. */
  readonly wrt: readonly Parameter[];
  /** γ of each module, from the graph inputs of `parameters`; left out, every adapter counts in full. */
  readonly gates?: AdaptedGraphOptions['gates'];
  /** Seed of dropout; left out, dropout is off. */
  readonly dropoutSeed?: number;
  /** Rate of every site, in the place of the rates in the model's config.json. */
  readonly dropoutRate?: number | undefined;
  /** Keep the residual stream alone and compute each layer's activations again in the backward pass. Default false. */
  readonly gradientCheckpointing?: boolean | undefined;
  readonly threads: number;
  /** Largest batch that will be met. */
  readonly largestBatch: { readonly batch: number; readonly seq: number };
}

/** Forward, loss and backward as one compiled graph. */
export interface GradientStep {
  /** Gradients of the last run, in the order of `wrt`; overwritten by the next run. */
  readonly gradients: readonly Float32Array[];
  /** Loss of a batch; fills `gradients`. `step` selects the dropout masks. */
  run(batch: Batch, step: number): Promise<number>;
  release(): Promise<void>;
}

/** Compiles the training step of a model with adapters. Only what leads to `wrt` is differentiated. */
export async function openGradientStep(model: Model, options: GradientStepOptions): Promise<GradientStep> {
  const { wrt, threads, largestBatch } = options;
  const { graph, outputs, sites } = stepOf(options);
  const program = await openProgram(model, {
    ...graph,
    threads,
    outputs(adapted) {
      const built = outputs(adapted);
      sites?.reserve(largestBatch);
      return built;
    },
  });
  const loss = host.zeros([]);
  const gradients = wrt.map(({ tensor }) => zerosLike(tensor));
  const into = { loss, ...Object.fromEntries(wrt.map((one, i) => [gradientName(one), gradients[i]!])) };
  return {
    gradients: gradients.map((one) => one.host()),
    async run(batch, step) {
      await program.run({ ...batchFeeds(batch, true), ...sites?.feeds(step) }, into);
      return loss.data[0]!;
    },
    release: () => program.release(),
  };
}

/** The graph of a step: the loss, gradients by the names of {@link gradientName}, and dropout's sites if it is on. */
export function gradientGraph(model: Model, options: Omit<GradientStepOptions, 'threads' | 'largestBatch'>) {
  const { graph, outputs, sites } = stepOf(options);
  return { outputs: outputs(adaptedGraph(model, graph)), sites };
}

/** Whether a step draws anything: without a site of dropout it gives the same for a batch whatever its number. */
export function hasDropout(model: Model, options: Omit<GradientStepOptions, 'threads' | 'largestBatch' | 'wrt'>) {
  const { graph, sites } = stepOf({ ...options, wrt: [] });
  adaptedGraph(model, graph).logits(objectiveRows(options.objective));
  return sites !== undefined && sites.count > 0;
}

/** Several trainings of one form that run side by side: a gradient step for each in one run of one graph. */
export interface LaneSteps {
  /** Of the last run, a loss a lane. */
  readonly losses: Float32Array;
  /** Of the last run, in the order of `wrt`: [lanes, …shape] each. */
  readonly gradients: readonly Float32Array[];
  /** @param batches one for each lane, all of one length. Those of each size run by themselves: a run costs what all lanes cost */
  run(batches: readonly Batch[]): Promise<void>;
  release(): Promise<void>;
}

/**
 * Compiles the step of {@link openGradientStep} once for many lanes that share the base model and have parameters and
 * batches of their own. Dropout is off.
 *
 * @param options `parameters` as in a step of one lane; those that `tensors` lacks are shared by all
 * @param count lanes
 * @param tensors the lanes' values of each parameter, [lanes, …shape], by name; read as they are when it runs
 */
export async function openLaneSteps(
  model: Model,
  options: Omit<GradientStepOptions, 'dropoutSeed' | 'dropoutRate' | 'largestBatch'>,
  { count, tensors }: { readonly count: number; readonly tensors: ReadonlyMap<string, DeviceTensor<Float32Array>> },
): Promise<LaneSteps> {
  const { wrt, threads, objective, parameters } = options;
  if (objective.reads === 'rows') throw new Error('lanes cannot leave out positions, of which each has its own number');
  const { graph, outputs } = stepOf(options);
  const shared = new Set(parameters.flatMap(({ name }) => (tensors.has(name) ? [] : [name])));
  const lanes = { count, own: (name: string) => !shared.has(name) };
  const program = await openProgram(model, { ...graph, threads, outputs, lanes });
  const losses = host.zeros([count]);
  const gradients = wrt.map(({ tensor, shape }) => tensor.device.zeros([count, ...shape]));
  const into = { loss: losses, ...Object.fromEntries(wrt.map((one, i) => [gradientName(one), gradients[i]!])) };
  return {
    losses: losses.data,
    gradients: gradients.map((one) => one.host()),
    async run(batches) {
      const feeds = Object.fromEntries(tensors);
      const sizes = new Set(batches.map(({ batchSize }) => batchSize));
      if (sizes.size === 1) {
        await program.run({ ...feeds, ...stackedFeeds(batches) }, into);
        return;
      }
      for (const size of sizes) {
        // Lanes of another size run along with a batch that is not theirs, and what comes of it is left.
        const isOf = ({ batchSize }: Batch) => batchSize === size;
        const one = batches.find(isOf);
        const found = await program.run({ ...feeds, ...stackedFeeds(batches.map((own) => (isOf(own) ? own : one!))) });
        for (const [name, place] of Object.entries<DeviceTensor<Float32Array>>(into)) {
          const [all, values] = [place.host(), found[name]!.data];
          const length = all.length / count;
          for (const [lane, own] of batches.entries()) {
            if (isOf(own)) all.set(values.subarray(lane * length, (lane + 1) * length), lane * length);
          }
        }
      }
    },
    release: () => program.release(),
  };
}

/** The feeds of batches of one size, one behind the other. */
function stackedFeeds(batches: readonly Batch[]): Record<string, Value> {
  const each = batches.map((batch) => batchFeeds(batch, true));
  return Object.fromEntries(
    Object.entries(each[0]!).map(([name, { data, shape }]) => {
      const all =
        data instanceof Float32Array
          ? new Float32Array(each.length * data.length)
          : new BigInt64Array(each.length * data.length);
      for (const [i, feeds] of each.entries()) all.set(feeds[name]!.data as never, i * data.length);
      return [name, { data: all, shape: [each.length, ...shape] }];
    }),
  );
}

/** What the graph of a step is built with, its outputs, and the sites of dropout that are filled while they are built. */
function stepOf(options: Omit<GradientStepOptions, 'threads' | 'largestBatch'>) {
  const { wrt, objective, dropoutSeed, dropoutRate, plan, parameters, gates, gradientCheckpointing } = options;
  const sites = dropoutSeed === undefined ? undefined : dropoutSites(dropoutSeed);
  const graph: AdaptedGraphOptions = {
    plan,
    parameters,
    gates,
    gradientCheckpointing,
    ...(sites === undefined
      ? {}
      : { dropout: (x, rate) => sites.apply(x, dropoutRate ?? rate), adapterDropout: sites.apply }),
  };
  const outputs = ({ inputs, logits }: AdaptedGraph): Readonly<Record<string, Tensor>> => {
    const mean = objective.loss(logits(objectiveRows(objective)));
    const loss = plan.penalty === undefined ? mean : ops.add(mean, plan.penalty(inputs));
    return { loss, ...namedGradients(loss, wrt, inputs) };
  };
  return { graph, outputs, sites };
}

/** ∂ loss/∂w of each w of `wrt`, by {@link gradientName}. */
export function namedGradients(
  loss: Tensor,
  wrt: readonly Parameter[],
  inputs: ReadonlyMap<string, Tensor>,
): Record<string, Tensor> {
  const gradients = grad(
    loss,
    wrt.map(({ name }) => inputs.get(name)!),
  );
  return Object.fromEntries(gradients.map((tensor, i) => [gradientName(wrt[i]!), tensor]));
}

export const gradientName = ({ name }: Parameter) => `gradient of ${name}`;
