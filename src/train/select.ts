import { splitHalves } from '../data/stratify.js';
import type { EncodedExample, Task } from '../data/types.js';
import { DiffoError } from '../errors.js';
import type { Model } from '../models/model.js';
import { headParameters, type Parameter } from '../optimize/parameters.js';
import { type Dam, readDam } from '../selection/dam.js';
import { discretise } from '../selection/discretise.js';
import { searchDam } from '../selection/search.js';
import { alphaOf, dropoutRateOf, type TrainConfig } from './config.js';
import type { Reporter } from './reporter.js';

export interface Selection {
  readonly dam: Dam;
  /** A, B of every module and the head as the search left them; none when the matrix was read from a file. */
  readonly searched: readonly Parameter[];
}

/** Stages 1 and 2 of DiffoRA: learns the relaxed matrix on two halves of the training data and discretises it. */
export async function selectModules(
  model: Model,
  task: Task,
  train: readonly EncodedExample[],
  config: TrainConfig,
  reporter: Reporter,
  signal?: AbortSignal,
): Promise<Selection> {
  const { first, second } = splitHalves(train, config.seed);
  if (first.length === 0 || second.length === 0) {
    throw new DiffoError(`${task.name}: ${train.length} training examples cannot be halved for the search.`);
  }
  const steps = config.searchSteps ?? Math.ceil((config.searchEpochs * first.length) / config.batchSize);
  const head = await headParameters(model.head, config.seed);
  const phase = reporter.phase('search', steps);
  const result = await searchDam(
    model,
    head,
    { train: first, validation: second },
    {
      ...config,
      kind: task.kind,
      alpha: alphaOf(config),
      steps,
      learningRate: config.lr,
      warmupSteps: Math.ceil(config.warmupRatio * steps),
      damLearningRate: config.damLr,
      dropoutRate: dropoutRateOf(config),
      signal,
      onStep: ({ step, validationLoss, entropy }) =>
        phase.update(step + 1, `validation loss ${validationLoss.toFixed(3)}, entropy ${entropy.toFixed(3)}`),
    },
  );
  phase.end();
  const dam: Dam = {
    format: 'diffora-dam/1',
    layers: model.layers,
    modules: [...model.modules],
    gamma: discretise(result.relaxed, config.keep, config.scope) as Dam['gamma'],
    relaxed: result.relaxed,
    logits: result.logits,
    keep: config.keep,
    relax: config.relax,
    scope: config.scope,
    share: config.share,
    seed: config.seed,
    search: {
      steps,
      learningRate: config.lr,
      damLearningRate: config.damLr,
      batchSize: config.batchSize,
      trainExamples: first.length,
      validationExamples: second.length,
      history: [...result.history],
    },
    model: config.model,
    task: task.name,
  };
  return { dam, searched: [...result.adapters, ...head] };
}

/** Reads the matrix of an earlier search. @throws DiffoError when it was made for a model of another form */
export async function readDamFor(model: Model, file: string): Promise<Dam> {
  const dam = await readDam(file);
  if (dam.layers !== model.layers || `${dam.modules}` !== `${model.modules}`) {
    const [found, wanted] = [dam, model].map(({ layers, modules }) => `${layers} layers of ${modules.join(', ')}`);
    throw new DiffoError(`${file} is a matrix of ${found}; ${model.checkpoint.name} has ${wanted}.`);
  }
  return dam;
}
