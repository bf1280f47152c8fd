import type { AdapterPlan } from '../adapters/plan.js';
import { grad, ops, type Tensor } from '../graph/index.js';
import type { AdaptableModule, Model } from '../models/model.js';
import { openSession, type Value } from '../runtime/session.js';
import type { Batch } from './batch.js';
import { dropoutSites } from './dropout.js';
import { batchFeeds, modelLogits } from './modelGraph.js';
import { type Objective, objectiveRows } from './objective.js';
import { type Parameter, parameterFeeds, parameterInputs } from './parameters.js';

export interface GradientStepOptions {
  readonly objective: Objective;
  readonly plan: AdapterPlan;
  /** Every trainable tensor of the graph, head and adapters, and whatever `gates` reads. */
  readonly parameters: readonly Parameter[];
  /** Those to differentiate by: a subset of `parameters`. */
  readonly wrt: readonly Parameter[];
  /** γ of each module, from the graph inputs of `parameters`; left out, every adapter counts in full. */
  readonly gates?: (inputs: ReadonlyMap<string, Tensor>) => (module: AdaptableModule) => Tensor;
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
  const { parameters, wrt } = options;
  const { outputs, sites } = gradientGraph(model, options);
  const session = await openSession(outputs, { threads: options.threads });
  sites?.reserve(options.largestBatch);

  const into: Record<string, Value> = { loss: { data: new Float32Array(1), shape: [] } };
  for (const one of wrt) into[gradientName(one)] = { data: new Float32Array(one.values.length), shape: one.shape };
  const fixedFeeds = parameterFeeds(parameters);
  return {
    gradients: wrt.map((one) => into[gradientName(one)]!.data as Float32Array),
    async run(batch, step) {
      await session.run({ ...fixedFeeds, ...batchFeeds(batch, true), ...sites?.feeds(step) }, into);
      return into.loss!.data[0] as number;
    },
    release: () => session.release(),
  };
}

/** The graph of a step: the loss, gradients by the names of {@link gradientName}, and dropout's sites if it is on. */
export function gradientGraph(model: Model, options: Omit<GradientStepOptions, 'threads' | 'largestBatch'>) {
  const { parameters, wrt, objective, dropoutSeed, dropoutRate, plan, gates } = options;
  const inputs = parameterInputs(parameters);
  const sites = dropoutSeed === undefined ? undefined : dropoutSites(dropoutSeed);
  const logits = modelLogits(model, {
    plan,
    parameters: inputs,
    rows: objectiveRows(objective),
    gradientCheckpointing: options.gradientCheckpointing,
    ...(gates === undefined ? {} : { gate: gates(inputs) }),
    ...(sites === undefined
      ? {}
      : { dropout: (x, rate) => sites.apply(x, dropoutRate ?? rate), adapterDropout: sites.apply }),
  });
  const mean = objective.loss(logits);
  const loss = plan.penalty === undefined ? mean : ops.add(mean, plan.penalty(inputs));
  const gradients = grad(
    loss,
    wrt.map(({ name }) => inputs.get(name)!),
  );
  const named = Object.fromEntries(gradients.map((tensor, i) => [gradientName(wrt[i]!), tensor]));
  return { outputs: { loss, ...named } as Readonly<Record<string, Tensor>>, sites };
}

const gradientName = ({ name }: Parameter) => `gradient of ${name}`;
