import { openCheckpoint } from '../checkpoint/open.js';
import type { ResolvedModel } from '../checkpoint/resolve.js';
import type { Checkpoint } from '../checkpoint/types.js';
import { encodeSplit } from '../data/batching.js';
import { subsample } from '../data/stratify.js';
import { openTask } from '../data/tasks/openTask.js';
import type { EncodedExample, Split, SplitName, Task } from '../data/types.js';
import { DiffoError, usageError } from '../errors.js';
import type { Model, ModelOptions } from '../models/model.js';
import { openModel } from '../models/registry.js';
import { loadTokenizer, type Tokenizer } from '../tokenize/index.js';
import type { TrainConfig } from './config.js';
import { findModel } from './findModel.js';
import type { Reporter } from './reporter.js';

/** A model with its tokenizer. */
export interface OpenedModel {
  readonly model: Model;
  readonly tokenizer: Tokenizer;
  readonly resolved: ResolvedModel;
}

/** Finds, opens and checks a model with its head. */
export async function openModelByName(
  name: string,
  options: ModelOptions | ((checkpoint: Checkpoint) => ModelOptions),
  reporter: Reporter,
  signal?: AbortSignal,
): Promise<OpenedModel> {
  const resolved = await findModel(name, reporter, signal);
  const checkpoint = await openCheckpoint(resolved.file ?? resolved.folder, name);
  const model = openModel(checkpoint, typeof options === 'function' ? options(checkpoint) : options);
  if (model.unused.length > 0) {
    const shown = model.unused.slice(0, 3).join(', ');
    const more = model.unused.length > 3 ? ` and ${model.unused.length - 3} more` : '';
    reporter.info(
      `${model.unused.length} tensors of ${name} have no place in the model and are left out: ${shown}${more}`,
    );
  }
  const tokenizer = await loadTokenizer(checkpoint.folder);
  const rows = checkpoint.config.vocab_size;
  if (typeof rows === 'number' && tokenizer.vocabSize > rows) {
    throw new DiffoError(
      `${checkpoint.folder}: the tokenizer has ${tokenizer.vocabSize} ids but the model embeds ${rows}. They belong to different checkpoints.`,
    );
  }
  return { model, tokenizer, resolved };
}

/** Says which part of the head is made new because the checkpoint has none that fits. */
export function noteNewHead({ head, checkpoint }: Model, reporter: Reporter): void {
  const made = head.filter(({ stored }) => stored === undefined).map(({ name }) => name);
  if (made.length > 0) reporter.info(`The head is new, ${checkpoint.name} has none that fits: ${made.join(', ')}`);
}

/** The task of a configuration. */
export function openConfiguredTask(config: TrainConfig, reporter: Reporter): Promise<Task> {
  const { task, dataDir, textColumn, pairColumn, labelColumn } = config;
  return openTask(task, { dataDir, textColumn, pairColumn, labelColumn, warn: reporter.warn });
}

export const outputsOf = (task: Pick<Task, 'kind' | 'labels'>) => (task.kind === 'regression' ? 1 : task.labels.length);

/** A split as tokens. */
export interface EncodedSplit {
  readonly split: Split;
  readonly encoded: readonly EncodedExample[];
}

/** Loads a split. @throws DiffoError when it has no rows */
export async function loadSplit(task: Task, name: SplitName): Promise<Split> {
  const split = await task.load(name);
  if (split.examples.length === 0)
    throw new DiffoError(`${split.source}: the ${name} split of ${task.name} has no rows.`);
  return split;
}

/** Encodes a split; the training split is cut to `trainExamples`. */
export function encodeTaskSplit(
  { model, tokenizer }: OpenedModel,
  task: Pick<Task, 'name'>,
  split: Split,
  config: Pick<TrainConfig, 'maxLength' | 'trainExamples' | 'seed'>,
  reporter: Reporter,
): EncodedSplit {
  const wanted = split.name === 'train' ? config.trainExamples : undefined;
  const examples = wanted === undefined ? split.examples : subsample(split.examples, wanted, config.seed);
  const maxLength = sequenceLimit(model, tokenizer, config.maxLength);
  const encoded = encodeSplit(tokenizer, examples, {
    maxLength,
    warn: (message) => reporter.warn(`${task.name} ${split.name}: ${message}`),
  });
  return { split, encoded };
}

/** @throws DiffoError (usage) when the model or its tokenizer allows less than `maxLength` */
export function sequenceLimit(model: Model, tokenizer: Tokenizer, maxLength: number): number {
  const limit = Math.min(model.maxLength, tokenizer.modelMaxLength ?? model.maxLength);
  if (maxLength > limit) {
    throw usageError(
      `--max-length ${maxLength} is more than the ${limit} tokens that ${model.checkpoint.name} allows.`,
    );
  }
  return maxLength;
}
