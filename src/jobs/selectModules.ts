import * as z from 'zod';
import { adapterSize, checkPatterns, isNamed, patternValue } from '../adapters/plan.js';
import type { Codec } from '../artifacts/checkpoints/journal.js';
import type { EncodedExample } from '../engine/batch.js';
import { divergenceCure, NotFiniteError } from '../engine/notFinite.js';
import type { Objective } from '../engine/objective.js';
import type { Parameter } from '../engine/parameters.js';
import { DiffoError, usageError } from '../errors.js';
import type { Model } from '../models/model.js';
import { type Dam, damSchema, type Sharing } from '../selection/dam.js';
import {
  type Allowance,
  discretise,
  type MeasurePer,
  type ParameterLimit,
  refuseTooSmall,
  worthOf,
} from '../selection/discretise.js';
import { gridOf } from '../selection/grid.js';
import { halvesOf } from '../selection/halves.js';
import type { SelectionSettings } from '../selection/method.js';
import { meanSizes } from '../selection/price.js';
import { asksForPrice, type Pricing, pricingOf } from '../selection/pricing.js';
import { readDam } from '../selection/readDam.js';
import { selectionMethods } from '../selection/registry.js';
import {
  adapterMethodOf,
  choosingMethodOf,
  choosingNameOf,
  learningRateOf,
  type MethodConfig,
  type SelectionConfig,
  type TrainConfig,
} from '../settings/config.js';

import { searchSettingsOf } from '../settings/searchSettings.js';
import type { Task } from '../tasks/task.js';
import { leastSize, planRun } from './plan.js';
import type { RunContext } from './runContext.js';

export interface Selection {
  readonly dam: Dam;
  /** Ranks by module path, where all modules are kept and the budget is held by the ranks. */
  readonly ranks?: Readonly<Record<string, number>> | undefined;
  /** A, B and the head as the method left them; none when the matrix was read from a file or a checkpoint. */
  readonly trained: readonly Parameter[];
}

/** Decides where adapters go, from two halves of the training data alone. */
export async function selectModules(
  model: Model,
  task: Task,
  train: readonly EncodedExample[],
  config: TrainConfig,
  { reporter, signal, journal, ranks, agree }: RunContext,
): Promise<Selection> {
  const { seed } = config.run;
  const halves = halvesOf(train, seed);
  if (halves.train.length === 0 || halves.validation.length === 0) {
    throw new DiffoError(`${task.name}: ${train.length} training examples cannot be halved to select modules on.`);
  }
  const { keep, budget, share } = config.selection;
  const objective = task.kind.objective(undefined, task);
  const plainAllowance = allowanceOf(model, config);
  const pricing = pricingIn(model, objective, halves.train, plainAllowance, config);
  const allowance = {
    ...plainAllowance,
    ...(pricing && { choose: (values: readonly (readonly number[])[]) => pricing.choose(values).gamma }),
  };
  const { there } = allowance;
  const standing: Pick<Dam, 'rows' | 'there'> = {
    ...(model.layerNames === undefined ? {} : { rows: [...model.layerNames] }),
    ...(there === undefined ? {} : { there: there.map((row) => row.map((one) => (one ? 1 : 0))) }),
  };
  const name = choosingNameOf(config)!;
  const selected = await selectionMethods[name].select({
    model,
    objective,
    halves,
    halvesBy: (other) => halvesOf(train, other),
    settings: selectionSettingsOf(config, halves.train.length),
    allowance,
    price: pricing?.ofGates,
    shared: ranks && { ranks, reduce: config.run.reduce },
    agree,
    signal,
    warn: reporter.warn,
    phase: (phaseName, total, from) => reporter.phase(phaseName, total, from),
    searched:
      reporter.searched &&
      ((step, total, matrix) => reporter.searched?.(step, total, () => ({ ...matrix(), ...standing }))),
    stage: journal?.stage,
  });
  if (!selected.values.flat().every(Number.isFinite)) {
    throw new NotFiniteError(
      `--select ${name} measures values that are not finite, and chooses nothing by them. ${divergenceCure}`,
    );
  }
  const priced = pricing?.choose(worthOf(selected.values, allowance));
  const gamma = priced?.gamma ?? selected.gamma ?? discretise(selected.values, allowance);
  const own: Dam = {
    format: 'diffora-dam/2',
    select: name,
    layers: model.layers,
    modules: [...model.modules],
    ...standing,
    gamma: there === undefined ? gamma : gamma.map((row, layer) => row.map((one, i) => (there[layer]![i] ? one : 0))),
    values: selected.values,
    keep,
    ...(budget === undefined ? {} : { budget }),
    ...(config.method.parameters === undefined ? {} : { parameters: config.method.parameters }),
    ...(allowance.measurePer === 'parameter' ? { measurePer: allowance.measurePer } : {}),
    scope: allowance.scope,
    share,
    seed,
    ...(pricing === undefined ? {} : { price: pricing.recordOf(priced!) }),
    ...(selected.search === undefined ? {} : { search: selected.search }),
    model: config.data.model,
    task: task.name,
  };
  // What is measured may differ in last bits between machines; where adapters go may not.
  const chosen = { dam: own, ranks: selected.ranks };
  const { dam, ranks: ofModules } = ranks === undefined ? chosen : await ranks.fromFirst(() => chosen);
  reporter.selected?.(dam, name);
  if (dam.price !== undefined) {
    const { of, share, weight } = dam.price;
    const counted = `${(100 * share).toFixed(0)} % of the ${of} of LoRA on all modules`;
    reporter.info(
      `With the modules that are kept a step takes ${counted}, counted (weight ${Number(weight.toPrecision(3))}).`,
    );
  }
  return { dam, ranks: ofModules, trained: selected.trained ?? [] };
}

/** How modules are weighed against what they cost, where a configuration asks for that. */
function pricingIn(
  model: Model,
  objective: Objective,
  examples: readonly EncodedExample[],
  allowance: Allowance,
  { method, selection, optimisation }: TrainConfig,
): Pricing | undefined {
  if (!asksForPrice(selection)) return undefined;
  const { batchSize, gradientCheckpointing } = optimisation;
  const step = { objective, rank: method.rank, gradientCheckpointing, sizes: meanSizes(examples, batchSize) };
  return pricingOf(model, step, allowance, selection);
}

const savedSchema = z.object({ dam: damSchema, ranks: z.record(z.string(), z.number()).optional() });

/**
 * A selection in a checkpoint. What it trained is not in there: the fine-tuning that may start from it has begun by then,
 * and its own tensors are.
 */
export const savedSelection: Codec<Selection> = {
  encode: ({ dam, ranks }) => ({ arrays: {}, values: { dam, ranks } }),
  decode: ({ values }) => ({ ...savedSchema.parse(values), trained: [] }),
};

/** What a way to choose modules reads of a configuration. @param examples of the half that weights learn on */
export function selectionSettingsOf(config: TrainConfig, examples: number): SelectionSettings {
  return searchSettingsOf(config, examples, learningRateOf(config), choosingMethodOf(config));
}

/**
 * Trainable numbers of an adapter of the run's method on each module, at the rank that it will have, [layers][modules].
 * @throws DiffoError (usage) for a rank of a module that cannot be chosen
 */
export function moduleSizes(model: Model, settings: MethodConfig): number[][] {
  const { plan } = adapterMethodOf(settings);
  const { ranks = {} } = settings;
  checkPatterns('--ranks', ranks, { own: model.adaptable, shared: [] });
  const sizes = model.adaptable.map((module) => {
    const rank = patternValue(ranks, module.path) ?? settings.rank;
    const alone = { ...settings, rank, ranks: undefined, alphas: undefined };
    return adapterSize(plan(alone, { own: [module], shared: [] }, model));
  });
  return gridOf(model).matrix(sizes);
}

/**
 * How much a way to choose modules may keep.
 * @throws DiffoError (usage) for a budget that cannot be kept: to be known before a search, not after it
 */
export function allowanceOf(model: Model, config: Pick<TrainConfig, 'method' | 'selection'>): Allowance {
  const { keep, budget, share } = config.selection;
  const { parameters } = config.method;
  const scope = choosingMethodOf(config)?.scope ?? config.selection.scope;
  const limit = parameters === undefined ? undefined : limitOf(model, config, parameters);
  const measurePer = measurePerOf(model, config, limit);
  const { there } = gridOf(model);
  const allowance = { scope, keep, budget, measurePer, sizes: moduleSizes(model, config.method), there, limit };
  refuseUnkeepable(model, config.method.ranks, allowance, share);
  if (keepsSome(config)) refuseTooSmall(allowance);
  return allowance;
}

/** Under a tight limit several small modules do more than a large one (docs/results/placement). */
function measurePerOf(
  model: Model,
  config: Pick<TrainConfig, 'method' | 'selection'>,
  limit: ParameterLimit | undefined,
): MeasurePer {
  if (!Object.hasOwn(choosingMethodOf(config)?.settings ?? {}, 'measurePer')) return 'module';
  const { measurePer, budget } = config.selection;
  if (measurePer !== undefined) return measurePer;
  const isTight = limit !== undefined && limit.parameters < limit.leastOf(gridOf(model).filled(1));
  return budget !== undefined || isTight ? 'parameter' : 'module';
}

/** False where all modules are kept and their ranks lowered, or a list says which. */
function keepsSome(config: Pick<TrainConfig, 'method' | 'selection'>): boolean {
  const choosing = choosingMethodOf(config);
  return choosing?.scope !== undefined || Object.hasOwn(choosing?.settings ?? {}, 'scope');
}

function limitOf(
  model: Model,
  { method, selection: { share } }: Pick<TrainConfig, 'method' | 'selection'>,
  parameters: number,
): ParameterLimit {
  return { parameters, leastOf: (gamma) => leastSize(model, method, { gamma, share }) };
}

/**
 * Holds `parameters` to the least that a run can be, before anything is trained.
 * @param dam the matrix that decides, where it is known
 * @throws TooSmallError that names the least
 */
export function refuseTooFew(
  model: Model,
  config: Pick<TrainConfig, 'method' | 'selection'>,
  dam: Dam | undefined,
): void {
  if (config.method.parameters === undefined) return;
  if (dam === undefined && keepsSome(config)) allowanceOf(model, config);
  else planRun(model, config.method, dam && { gamma: dam.gamma, share: config.selection.share });
}

/**
 * @throws DiffoError (usage) for ranks of modules of which each alone is larger than the budget, so that none is kept
 */
export function refuseUnkeepable(
  model: Model,
  ranks: MethodConfig['ranks'] = {},
  { budget, sizes }: Pick<Allowance, 'budget' | 'sizes'>,
  share: Sharing,
): void {
  // Modules that are not kept have ranks, too, where they share pairs.
  if (budget === undefined || share !== 'none') return;
  const grid = gridOf(model);
  for (const [name, rank] of Object.entries(ranks)) {
    const named = model.adaptable.filter(({ path }) => isNamed(path, name));
    const smallest = Math.min(...named.map((module) => grid.at(sizes, module)));
    if (smallest <= budget) continue;
    throw usageError(
      `--ranks ${name}=${rank}: the smallest of these modules has ${smallest} trainable numbers, so that none can be kept ` +
        `under --budget ${budget}. Raise the budget, or lower the rank.`,
    );
  }
}

/** Reads the matrix of an earlier selection. @throws DiffoError when it was made for a model of another form */
export async function readDamFor(model: Model, file: string): Promise<Dam> {
  return damFor(model, await readDam(file), file);
}

/** The matrix of the file that a configuration names, if it names one. */
export async function readConfiguredDam(model: Model, { dam }: SelectionConfig): Promise<Dam | undefined> {
  return dam === undefined ? undefined : readDamFor(model, dam);
}

/** A matrix for a model. @param where what to blame in a message @throws DiffoError when it was made for another form */
export function damFor(model: Model, dam: Dam, where: string): Dam {
  if (dam.layers !== model.layers || `${dam.modules}` !== `${model.modules}`) {
    const [found, wanted] = [dam, model].map(({ layers, modules }) => `${layers} layers of ${modules.join(', ')}`);
    throw new DiffoError(`${where} is a matrix of ${found}; ${model.checkpoint.name} has ${wanted}.`);
  }
  return dam;
}
