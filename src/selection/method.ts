import type { Objective } from '../engine/objective.js';
import { headParameters, type Parameter, withHeadTraining } from '../engine/parameters.js';
import type { Model } from '../models/model.js';
import type { Phase } from '../progress.js';
import type { Stage } from '../state.js';
import type { Dam, SearchOrder } from './dam.js';
import type { DamOptimizerName } from './damOptimizer.js';
import type { DamStart } from './damStart.js';
import type { Allowance } from './discretise.js';
import type { Relaxation } from './relax.js';
import type { Halves } from './search.js';

/** Settings that selection methods read. */
export interface SelectionSettings {
  readonly rank: number;
  readonly alpha: number;
  /** Biases of the base model are trained only where modules are chosen. */
  readonly bias: 'none';
  /** Names of the modules that may be adapted. */
  readonly targets: readonly string[];
  readonly relax: Relaxation;
  readonly searchOrder: SearchOrder;
  readonly damOptimizer: DamOptimizerName;
  readonly damInit: DamStart;
  readonly damLr: number;
  readonly entropyWeight: number;
  /** Searches with seeds one after the other, whose relaxed matrices are averaged. */
  readonly searchSeeds: number;
  /** Steps of a search, or of a joint run that is not a search. */
  readonly steps: number;
  readonly batchSize: number;
  readonly lr: number;
  readonly headLr?: number | undefined;
  readonly warmupRatio: number;
  readonly weightDecay: number;
  readonly headWeightDecay?: number | undefined;
  readonly maxGradNorm: number;
  readonly maxSkippedSteps?: number | undefined;
  readonly dropoutRate: number | undefined;
  readonly gradientCheckpointing?: boolean | undefined;
  readonly seed: number;
  readonly threads: number;
}

/** Names of a run's settings that only some selection methods read. */
export type SelectionSettingName =
  | 'keep'
  | 'budget'
  | 'scope'
  | 'start'
  | 'relax'
  | 'searchOrder'
  | 'damOptimizer'
  | 'damInit'
  | 'damLr'
  | 'entropyWeight'
  | 'searchSeeds'
  | 'searchEpochs'
  | 'searchSteps';

/** Those that say how much is kept. */
export const allowanceSettings = ['keep', 'budget', 'scope'] as const satisfies readonly SelectionSettingName[];

/** What a selection method gets. */
export interface SelectionContext {
  readonly model: Model;
  readonly objective: Objective;
  /** Halves of the training data; no method sees anything else. */
  readonly halves: Halves;
  readonly settings: SelectionSettings;
  readonly allowance: Allowance;
  readonly signal?: AbortSignal | undefined;
  readonly warn?: ((message: string) => void) | undefined;
  /** `total` units of work are ahead, or, of a stage that goes on, those after `from`. */
  readonly phase: (name: string, total: number, from?: number) => Phase;
  /** Place of a search or a joint run in the checkpoints of a run; left out, nothing is saved. */
  readonly stage?: ((name: string) => Stage) | undefined;
}

/** What a selection method gives. */
export interface Selected {
  /** A measure of every module, [layers][modules]: the largest are kept. */
  readonly values: number[][];
  /** Γ, where it is not simply the largest values. */
  readonly gamma?: (0 | 1)[][] | undefined;
  /** Ranks by module path, where the budget is held by them. */
  readonly ranks?: Readonly<Record<string, number>> | undefined;
  /** What a search did. */
  readonly search?: Dam['search'];
  /** A, B and the head as the method left them, for a warm start. */
  readonly trained?: readonly Parameter[] | undefined;
}

/** A way to decide where adapters go. */
export interface SelectionMethod {
  readonly title: string;
  /** Training graphs with adapters on all modules that it holds at a time, at most: what its memory is estimated by. */
  readonly graphs: 0 | 1 | 2;
  /** Where it comes from. */
  readonly source: string;
  /** The settings of a run that it reads beside targets, rank and those of training. */
  readonly settings: readonly SelectionSettingName[];
  /** What modules that are not kept do, unless it is said otherwise. */
  readonly share?: Dam['share'];
  /** @internal */
  select(context: SelectionContext): Promise<Selected>;
}

/** A head as every run of this seed starts with it. */
export async function freshHead({ model, settings }: SelectionContext): Promise<Parameter[]> {
  return withHeadTraining(await headParameters(model.head, settings.seed), model.head, settings);
}
