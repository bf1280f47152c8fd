import type { AdapterPlan } from '../adapters/plan.js';
import type { Shared } from '../engine/accumulate.js';
import type { EncodedExample } from '../engine/batch.js';
import type { FrozenPrefix } from '../engine/frozenPrefix.js';
import type { Watch } from '../engine/loop.js';
import type { Objective } from '../engine/objective.js';
import type { Parameter } from '../engine/parameters.js';
import { type TrainStep, trainParameters } from '../engine/training.js';
import type { Model } from '../models/model.js';
import type { Work } from '../progress.js';
import type { OptimisationConfig, RunConfig } from '../settings/config.js';
import { trainingOptionsOf } from '../settings/trainingOptions.js';
import type { Stage } from '../state.js';

export interface FineTuneOptions {
  readonly objective: Objective;
  readonly optimisation: OptimisationConfig;
  /** Peak learning rate. */
  readonly learningRate: number;
  readonly run: Pick<RunConfig, 'seed' | 'threads'>;
  /** See WeightUpdateOptions. */
  readonly shared?: Shared | undefined;
  /** See LoopCompany. */
  readonly agree?: (() => Promise<void>) | undefined;
  readonly signal?: AbortSignal | undefined;
  readonly onStep?: ((step: TrainStep, work: Work) => void) | undefined;
  readonly warn?: ((message: string) => void) | undefined;
  readonly watch?: Watch | undefined;
  readonly stage?: Stage | undefined;
  readonly prefix?: FrozenPrefix | undefined;
}

/** Trains the parameters of a plan and its head in place, as a configuration says. */
export function fineTune(
  model: Model,
  plan: AdapterPlan,
  parameters: readonly Parameter[],
  examples: readonly EncodedExample[],
  { optimisation, learningRate, run, ...company }: FineTuneOptions,
): Promise<void> {
  return trainParameters(model, plan, parameters, examples, {
    ...trainingOptionsOf(optimisation, learningRate, run),
    ...company,
  });
}
