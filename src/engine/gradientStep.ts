import type { AdapterPlan } from '../adapters/plan.js';
import { grad, ops, type Tensor } from '../graph/index.js';
import type { Model } from '../models/model.js';
import { type DeviceTensor, type HostTensor, host, zerosLike } from '../runtime/deviceTensor.js';
import { placeOn } from '../runtime/placed.js';
import { openTogether, releaseAll } from '../runtime/release.js';
import type { Bindings } from '../runtime/session.js';
import type { Batch } from './batch.js';
import { type DropoutSites, dropoutSites } from './dropout.js';
import { type FrozenPrefix, startingAt } from './frozenPrefix.js';
import { type AdaptedGraph, type AdaptedGraphOptions, adaptedGraph, batchFeeds } from './modelGraph.js';
import { type Objective, objectiveRows } from './objective.js';
import type { Parameter } from './parameters.js';
import { deviceOf, openProgram } from './program.js';
import { onTokens, tokenFeeds } from './tokenRows.js';

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
  /** The layers below those that are trained, whose results are kept; left out, every step computes them. */
  readonly prefix?: FrozenPrefix | undefined;
  /**
   * Leave rows of padding out of what is computed row by row (see `packTokens`): where texts of different kinds stand in one
   * batch. Default false; masks of dropout then fall on other numbers.
   */
  readonly packed?: boolean | undefined;
  /** Names of those of `wrt` whose gradients stay on the device, with the sum of the squares of each on the host. */
  readonly onDevice?: ReadonlySet<string> | undefined;
  readonly threads: number;
  /** Largest batch that will be met: rows, tokens of the longest, and of the longest text that is written. */
  readonly largestBatch: LargestBatch;
}

/** Sizes of a batch that none exceeds. */
export interface LargestBatch {
  readonly batch: number;
  readonly seq: number;
  readonly target?: number | undefined;
}

/** Gradients where they were computed. */
export interface OnDevice {
  /** Sums of the squares of each. */
  readonly squares: Float32Array;
  /** By the name of what they are gradients of; to be disposed of. */
  gradients(): ReadonlyMap<string, DeviceTensor<Float32Array>>;
}

/** Forward, loss and backward as one compiled graph. */
export interface GradientStep {
  /** Gradients of the last run, in the order of `wrt` but for those on the device; overwritten by the next run. */
  readonly gradients: readonly Float32Array[];
  /** What of the last run stayed on the device: see {@link GradientStepOptions.onDevice}. */
  readonly onDevice?: OnDevice | undefined;
  /**
   * Loss of a batch; fills `gradients`.
   * @param step selects the dropout masks
   * @param values of parameters, in the place of those that it was compiled with
   */
  run(batch: Batch, step: number, values?: Bindings): Promise<number>;
  release(): Promise<void>;
}

/** Compiles the training step of a model with adapters. Only what leads to `wrt` is differentiated. */
export async function openGradientStep(model: Model, options: GradientStepOptions): Promise<GradientStep> {
  const { threads, largestBatch, prefix, onDevice = new Set<string>() } = options;
  const wrt = options.wrt.filter(({ name }) => !onDevice.has(name));
  const staying = options.wrt.filter(({ name }) => onDevice.has(name));
  const { graph, outputs, sites } = stepOf(options);
  const { program, pools, states } = await openTogether(async (keep) => ({
    states: prefix && (await keep(prefix.open())),
    program: await keep(
      openProgram(model, {
        ...graph,
        threads,
        ...(staying.length === 0 ? {} : { onDevice: staying.map(gradientName) }),
        outputs(adapted) {
          const built = outputs(adapted);
          sites?.reserve(largestBatch);
          const squares = staying.map((one) => sumOfSquares(built[gradientName(one)]!));
          return staying.length === 0 ? built : { ...built, squares: ops.concat(squares, 0) };
        },
      }),
    ),
    // The pools of dropout's masks, which are the same in every step.
    pools: await keep(placeOn(deviceOf(model), poolsOf(sites))),
  }));
  const loss = host.zeros([]);
  const gradients = wrt.map(({ tensor }) => zerosLike(tensor));
  const squares = host.zeros([staying.length]);
  const into = { loss, squares, ...Object.fromEntries(wrt.map((one, i) => [gradientName(one), gradients[i]!])) };
  return {
    gradients: gradients.map((one) => one.host()),
    ...(staying.length === 0
      ? {}
      : {
          onDevice: {
            squares: squares.data,
            gradients: () => new Map(staying.map((one) => [one.name, program.kept.get(gradientName(one))!])),
          },
        }),
    async run(batch, step, values) {
      const tokens = options.packed === true ? tokenFeeds(batch) : {};
      const ofBatch = {
        ...batchFeeds(batch, true),
        ...tokens,
        ...sites?.feeds(step),
        ...pools.tensors,
        ...(await states?.feeds(batch)),
      };
      await program.run({ ...values, ...ofBatch }, into);
      return loss.data[0]!;
    },
    release: () => releaseAll([program, pools, ...(states === undefined ? [] : [states])]),
  };
}

function poolsOf(sites: DropoutSites | undefined): Record<string, HostTensor<Float32Array>> {
  const pools: Record<string, HostTensor<Float32Array>> = {};
  for (const [name, { data, shape }] of Object.entries(sites?.feeds(0) ?? {})) {
    if (data instanceof Float32Array) pools[name] = host.tensor(data, shape);
  }
  return pools;
}

/** The graph of a step: the loss, gradients by the names of {@link gradientName}, and dropout's sites if it is on. */
export function gradientGraph(model: Model, options: GraphOptions) {
  const { graph, outputs, sites } = stepOf(options);
  return { outputs: outputs(adaptedGraph(model, graph)), sites };
}

/** Whether a step draws anything: without a site of dropout it gives the same for a batch whatever its number. */
export function hasDropout(model: Model, options: Omit<GraphOptions, 'wrt'>) {
  const { graph, sites } = stepOf({ ...options, wrt: [] });
  adaptedGraph(model, graph).logits(objectiveRows(options.objective));
  return sites !== undefined && sites.count > 0;
}

/** What decides the graph of a step. */
export type GraphOptions = Omit<GradientStepOptions, 'threads' | 'largestBatch' | 'prefix'> & {
  readonly prefix?: Pick<FrozenPrefix, 'layer'> | undefined;
};

/** What the graph of a step is built with, its outputs, and the sites of dropout that are filled while they are built. */
export function stepOf(options: GraphOptions) {
  const { wrt, objective, dropoutSeed, dropoutRate, plan, parameters, gates, gradientCheckpointing, prefix } = options;
  const sites = dropoutSeed === undefined ? undefined : dropoutSites(dropoutSeed);
  const graph: AdaptedGraphOptions = {
    plan,
    parameters,
    gates,
    gradientCheckpointing,
    enterLayer: prefix && startingAt(prefix.layer),
    ...(sites === undefined
      ? {}
      : { dropout: (x, rate) => sites.apply(x, dropoutRate ?? rate), adapterDropout: sites.apply }),
  };
  const outputs = ({ inputs, logits }: AdaptedGraph): Readonly<Record<string, Tensor>> => {
    const all = logits(objectiveRows(objective));
    const mean = objective.loss(options.packed === true ? onTokens(all) : all);
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

/** [1]. By rows first: one long sum would be the work of one group of a GPU's threads. */
function sumOfSquares(x: Tensor): Tensor {
  const squares = ops.mul(x, x);
  const rows = x.shape.length < 2 ? squares : ops.sum(squares, { axes: [x.shape.length - 1], keepDims: false });
  return ops.reshape(ops.sum(rows, { axes: rows.shape.map((_, axis) => axis), keepDims: false }), [1]);
}

export const gradientName = ({ name }: Parameter) => `gradient of ${name}`;
