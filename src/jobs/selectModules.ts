import * as z from 'zod';
import { adapterSize, type Where } from '../adapters/plan.js';
import { adapterMethods } from '../adapters/registry.js';
import type { Codec } from '../artifacts/checkpoints/journal.js';
import { splitHalves } from '../data/stratify.js';
import type { EncodedExample } from '../engine/batch.js';
import { divergenceCure, NotFiniteError } from '../engine/notFinite.js';
import type { Parameter } from '../engine/parameters.js';
import { DiffoError } from '../errors.js';
import type { Model } from '../models/model.js';
import { type Dam, damSchema, readDam } from '../selection/dam.js';
import { discretise } from '../selection/discretise.js';
import { gridOf } from '../selection/grid.js';
import { selectionMethods } from '../selection/registry.js';
import { adapterMethodName, dropoutRateOf, type TrainConfig } from '../settings/config.js';
import type { Task } from '../tasks/task.js';
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
  { reporter, signal, journal }: RunContext,
): Promise<Selection> {
  const { first, second } = halvesOf(train, config.seed);
  if (first.length === 0 || second.length === 0) {
    throw new DiffoError(`${task.name}: ${train.length} training examples cannot be halved to select modules on.`);
  }
  const { scope, keep, budget } = config;
  const allowance = { scope, keep, budget, sizes: moduleSizes(model, config) };
  const name = config.select ?? 'diffora';
  const selected = await selectionMethods[name].select({
    model,
    objective: task.kind.objective(),
    halves: { train: first, validation: second },
    settings: {
      ...config,
      bias: 'none',
      steps: config.searchSteps ?? Math.ceil((config.searchEpochs * first.length) / config.batchSize),
      dropoutRate: dropoutRateOf(config),
    },
    allowance,
    signal,
    warn: reporter.warn,
    phase: (phaseName, total, from) => reporter.phase(phaseName, total, from),
    stage: journal?.stage,
  });
  if (!selected.values.flat().every(Number.isFinite)) {
    throw new NotFiniteError(
      `--select ${name} measures values that are not finite, and chooses nothing by them. ${divergenceCure}`,
    );
  }
  const dam: Dam = {
    format: 'diffora-dam/2',
    select: name,
    layers: model.layers,
    modules: [...model.modules],
    gamma: selected.gamma ?? discretise(selected.values, allowance),
    values: selected.values,
    keep,
    ...(budget === undefined ? {} : { budget }),
    scope,
    share: config.share,
    seed: config.seed,
    ...(selected.search === undefined ? {} : { search: selected.search }),
    model: config.model,
    task: task.name,
  };
  return { dam, ranks: selected.ranks, trained: selected.trained ?? [] };
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

/** Windows of one example stay together. */
function halvesOf(train: readonly EncodedExample[], seed: number) {
  const leading = train.filter(({ index }, i) => i === 0 || index !== train[i - 1]!.index);
  const { first } = splitHalves(leading, seed);
  const inFirst = new Set(first.map(({ index }) => index));
  return {
    first: train.filter(({ index }) => inFirst.has(index)),
    second: train.filter(({ index }) => !inFirst.has(index)),
  };
}

/** Trainable numbers of an adapter of the run's method on each module, [layers][modules]. */
function moduleSizes(model: Model, config: TrainConfig): number[][] {
  const { plan } = adapterMethods[adapterMethodName(config)];
  const settings = { ...config, ranks: undefined, alphas: undefined };
  const sizeOn = (where: Where) => adapterSize(plan(settings, where, model));
  return gridOf(model).matrix(model.adaptable.map((module) => sizeOn({ own: [module], shared: [] })));
}

/** Reads the matrix of an earlier selection. @throws DiffoError when it was made for a model of another form */
export async function readDamFor(model: Model, file: string): Promise<Dam> {
  return damFor(model, await readDam(file), file);
}

/** The matrix of the file that a configuration names, if it names one. */
export async function readConfiguredDam(model: Model, { dam }: Pick<TrainConfig, 'dam'>): Promise<Dam | undefined> {
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
