import type { SelectionMethod, SelectionSettings } from '../selection/method.js';
import type { MethodConfig, RunConfig, SelectionConfig } from './config.js';
import { dropoutRateOf } from './dropoutRate.js';
import { type StepConfig, trainingSteps } from './trainingOptions.js';

/** The part of a configuration that a search reads. */
export interface SearchedConfig {
  readonly method: Pick<MethodConfig, 'rank' | 'alpha' | 'loraDropout' | 'targets'>;
  readonly selection: Pick<
    SelectionConfig,
    | 'searchSteps'
    | 'searchEpochs'
    | 'searchShare'
    | 'searchTeam'
    | 'searchOrder'
    | 'searchSeeds'
    | 'searchPatience'
    | 'relax'
    | 'damOptimizer'
    | 'damInit'
    | 'damLr'
    | 'entropyWeight'
  >;
  readonly optimisation: StepConfig;
  readonly run: Pick<RunConfig, 'seed' | 'threads'>;
}

/** Searches that share a matrix, unless it is said otherwise. */
const usualTeam = 4;

/** A search of fewer steps moves nothing. */
const leastSearchSteps = 4;

/** Steps of a search or a joint run. @param examples of the half that weights learn on */
function searchStepsOf(
  { selection, optimisation }: SearchedConfig,
  examples: number,
  { before, perStep }: { readonly before: number; readonly perStep: number },
): number {
  const { searchSteps, searchEpochs, searchShare } = selection;
  if (searchSteps !== undefined) return searchSteps;
  if (searchEpochs !== undefined) return Math.ceil((searchEpochs * examples) / optimisation.batchSize);
  const stepsPerEpoch = Math.ceil((2 * examples) / optimisation.batchSize);
  const passes = searchShare * trainingSteps(optimisation, stepsPerEpoch);
  return Math.max(leastSearchSteps, Math.floor((passes - before) / perStep));
}

/**
 * What a way to choose modules reads of a configuration.
 * @param examples of the half that weights learn on
 * @param lr peak learning rate
 */
export function searchSettingsOf(
  config: SearchedConfig,
  examples: number,
  lr: number,
  choosing: Pick<SelectionMethod, 'passes'> | undefined,
): SelectionSettings {
  const { method, selection, optimisation, run } = config;
  const { searchOrder, damInit, searchSeeds } = selection;
  const searchTeam = selection.searchTeam ?? (searchOrder === 'first' ? usualTeam : 1);
  const passes = choosing?.passes?.({ searchOrder, damInit, searchSeeds, searchTeam }) ?? { before: 0, perStep: 1 };
  return {
    rank: method.rank,
    alpha: method.alpha,
    loraDropout: method.loraDropout,
    targets: method.targets,
    relax: selection.relax,
    searchOrder,
    damOptimizer: selection.damOptimizer,
    damInit,
    damLr: selection.damLr,
    entropyWeight: selection.entropyWeight,
    searchPatience: selection.searchPatience,
    searchSeeds,
    searchTeam,
    steps: searchStepsOf(config, examples, passes),
    batchSize: optimisation.batchSize,
    lr,
    headLr: optimisation.headLr,
    warmupRatio: optimisation.warmupRatio,
    schedule: optimisation.schedule,
    weightDecay: optimisation.weightDecay,
    headWeightDecay: optimisation.headWeightDecay,
    maxGradNorm: optimisation.maxGradNorm,
    maxSkippedSteps: optimisation.maxSkippedSteps,
    dropoutRate: dropoutRateOf(optimisation),
    gradientCheckpointing: optimisation.gradientCheckpointing,
    seed: run.seed,
    threads: run.threads,
  };
}
