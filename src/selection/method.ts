import type * as z from 'zod';
import type { Shared } from '../engine/accumulate.js';
import type { Objective } from '../engine/objective.js';
import { headParameters, type Parameter, withHeadTraining } from '../engine/parameters.js';
import type { ScheduleName } from '../engine/schedule.js';
import type { Model } from '../models/model.js';
import type { MatrixFrame, Phase, SteppedSearch } from '../progress.js';
import type { Stage } from '../state.js';
import type { Dam, SearchOrder } from './dam.js';
import type { DamOptimizerName } from './damOptimizer.js';
import type { DamStart } from './damStart.js';
import type { Allowance, Scope } from './discretise.js';
import type { GatePrice } from './price.js';
import type { Relaxation } from './relax.js';
import type { Halves } from './search.js';
import type { SharedSetting } from './settings.js';

/** Settings of a run that selection methods read, beside the allowance. */
export interface SelectionSettings {
  /** Of the pairs that are trained on every module to choose by; ranks of modules that differ are for the fine-tuning. */
  readonly rank: number;
  readonly alpha: number;
  /** Dropout on x before A, where A and B learn. */
  readonly loraDropout: number;
  /** Names of the modules that may be adapted. */
  readonly targets: readonly string[];
  readonly relax: Relaxation;
  readonly searchOrder: SearchOrder;
  readonly damOptimizer: DamOptimizerName;
  readonly damInit: DamStart;
  readonly damLr: number;
  readonly entropyWeight: number;
  /** Share of the steps of a search over which Γ may not change before it ends; left out, all are taken. */
  readonly searchPatience?: number | undefined;
  /** Searches with seeds one after the other, whose relaxed matrices are averaged. */
  readonly searchSeeds: number;
  /** Searches that share one matrix. */
  readonly searchTeam: number;
  /** Steps of a search, or of a joint run that is not a search. */
  readonly steps: number;
  readonly batchSize: number;
  readonly lr: number;
  readonly headLr?: number | undefined;
  readonly warmupRatio: number;
  /** Of a joint run; the rate of a search falls linearly. */
  readonly schedule: ScheduleName;
  readonly weightDecay: number;
  readonly headWeightDecay?: number | undefined;
  readonly maxGradNorm: number;
  readonly maxSkippedSteps?: number | undefined;
  readonly dropoutRate: number | undefined;
  readonly gradientCheckpointing?: boolean | undefined;
  readonly seed: number;
  readonly threads: number;
}

/** What a selection method gets. */
export interface SelectionContext {
  readonly model: Model;
  readonly objective: Objective;
  /** Halves of the training data; no method sees anything else. */
  readonly halves: Halves;
  /** Halves of the same data by another seed. */
  readonly halvesBy: (seed: number) => Halves;
  readonly settings: SelectionSettings;
  readonly allowance: Allowance;
  /** What adapters cost, where a search is to weigh that. */
  readonly price?: GatePrice | undefined;
  /** Ranks that do the work together. @internal */
  readonly shared?: Shared | undefined;
  /** See LoopCompany. @internal */
  readonly agree?: (() => Promise<void>) | undefined;
  readonly signal?: AbortSignal | undefined;
  readonly warn?: ((message: string) => void) | undefined;
  /** `total` units of work are ahead, or, of a stage that goes on, those after `from`. */
  readonly phase: (name: string, total: number, from?: number) => Phase;
  /** Told of every step of a search, where anyone listens; of several searches of those of the first. */
  readonly searched?: ((step: SteppedSearch, total: number, matrix: () => MatrixFrame) => void) | undefined;
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

/** What the passes of a search depend on. */
export type PassSettings = Pick<SelectionSettings, 'searchSeeds' | 'searchTeam' | 'damInit' | 'searchOrder'>;

/** A way to decide where adapters go. */
export interface SelectionMethod {
  readonly title: string;
  /** Training graphs with adapters on all modules that it holds at a time, at most: what its memory is estimated by. */
  readonly graphs: 0 | 1 | 2;
  /** Passes through model and back that it takes before its steps, and in each; left out, none and one. @internal */
  readonly passes?: (settings: PassSettings) => { readonly before: number; readonly perStep: number };
  /** Where it comes from. */
  readonly source: string;
  /** The settings of the selection that it reads, each with its range, its default and a description. */
  readonly settings: Readonly<Record<string, z.ZodType>>;
  /** The other settings of a run that it reads, beside seed and threads. */
  readonly reads: readonly SharedSetting[];
  /** What modules that are not kept do, unless it is said otherwise. */
  readonly share?: Dam['share'];
  /** What it keeps or leaves together, where that is its own and no setting says it. */
  readonly scope?: Scope;
  /** @internal */
  select(context: SelectionContext): Promise<Selected>;
}

/**
 * A head to be trained, as every run of this seed starts with it.
 * @param own its seed, where that is not the run's; its weight decay, where it has one of its own
 */
export async function freshHead(
  { model, settings }: SelectionContext,
  { seed = settings.seed, headWeightDecay }: { readonly seed?: number; readonly headWeightDecay?: number | undefined },
): Promise<Parameter[]> {
  const { lr, headLr } = settings;
  return withHeadTraining(await headParameters(model, seed), model.head, { lr, headLr, headWeightDecay });
}
