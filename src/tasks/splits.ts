import { holdOut, subsample } from '../data/stratify.js';
import type { Example, Split, SplitName } from '../data/types.js';
import type { EncodedExample } from '../engine/batch.js';
import { DiffoError, usageError } from '../errors.js';
import type { OpenedModel } from '../models/loading/withHead.js';
import type { HeadPart, Model, ModelOptions } from '../models/model.js';
import type { Reporter } from '../reporter.js';
import type { Tokenizer } from '../tokenize/index.js';
import type { EncodeOptions, KindFacts, Scorer, TaskAsked } from './kinds/kind.js';
import { isUnknown, type LearnedTask, type Task } from './task.js';

/** Longest sequence of a run and a task that do not say. */
const usualLength = 128;
/** Share of the training sequences that fit where the data decide. */
const fittingShare = 0.99;

/** A split as it is used: all of its examples, or those that were drawn. */
export interface UsedSplit {
  readonly split: Split;
  readonly examples: readonly Example[];
}

/** A split to be learned from. */
export interface EncodedSplit extends UsedSplit {
  readonly encoded: readonly EncodedExample[];
}

/** Loads a split. @throws DiffoError when it has no rows */
export async function loadSplit(task: Task, name: SplitName): Promise<Split> {
  const split = await task.load(name);
  if (split.examples.length === 0)
    throw new DiffoError(`${split.source}: the ${name} split of ${task.name} has no rows.`);
  return split;
}

/** The training split cut to `maxTrainSamples` by seed, another one to `maxEvalSamples`, the same for all seeds. */
export function useSplit(split: Split, config: Drawing): UsedSplit {
  const { examples } = split;
  return { split, examples: split.name === 'train' ? forTraining(examples, config) : forScoring(examples, config) };
}

/** How many examples are used. */
export interface Drawing {
  readonly maxTrainSamples?: number | undefined;
  readonly maxEvalSamples?: number | undefined;
  readonly seed: number;
}

const forTraining = (examples: readonly Example[], { maxTrainSamples, seed }: Drawing) =>
  subsample(examples, maxTrainSamples ?? examples.length, seed);

/** Those that are scored: all, or `maxEvalSamples` of them, the same for every seed. */
export const forScoring = (examples: readonly Example[], { maxEvalSamples }: Pick<Drawing, 'maxEvalSamples'>) =>
  subsample(examples, maxEvalSamples ?? examples.length, 0);

/** A part of the training split apart, to be scored. What is trained on is drawn from the rest. */
export function holdOutSplit(
  split: Split,
  config: Drawing & { readonly validationShare?: number | undefined; readonly validationSeed?: number | undefined },
): { train: UsedSplit; heldOut: UsedSplit } {
  const { validationShare: share, validationSeed: seed = config.seed } = config;
  const { kept, heldOut } = holdOut(split.examples, share!, seed);
  const source = `${split.source} (share ${share} held out, seed ${seed})`;
  return {
    train: { split, examples: forTraining(kept, config) },
    heldOut: { split: { ...split, source }, examples: forScoring(heldOut, config) },
  };
}

const shownClasses = 8;

/** `1,200 train (824 ham, 376 spam)`: examples that are used, and how many there are of each thing that the kind counts. */
export function countsOf(
  { kind, labels }: Pick<Task, 'kind' | 'labels'>,
  name: string,
  { examples }: UsedSplit,
): string {
  const total = `${examples.length.toLocaleString('en-US')} ${name}`;
  const counts = Object.entries(kind.labelCounts(labels, examples));
  if (counts.length === 0) return total;
  const shown = counts.slice(0, shownClasses).map(([label, count]) => `${count.toLocaleString('en-US')} ${label}`);
  const more = counts.length > shownClasses ? [`and ${counts.length - shownClasses} more classes`] : [];
  return `${total} (${[...shown, ...more].join(', ')})`;
}

/** Says which labels have no example among those that are used: they are not learned, or no score tells of them. */
export function warnOfLost(
  task: Pick<Task, 'name' | 'kind' | 'labels'>,
  { split, examples }: UsedSplit,
  { warn }: Pick<Reporter, 'warn'>,
): void {
  const isTrained = split.name === 'train';
  for (const [label, count] of Object.entries(task.kind.labelCounts(task.labels, examples))) {
    const there = split.labelCounts[label] ?? 0;
    if (count > 0 || (there === 0 && !isTrained)) continue;
    const drawn = there === 0 ? 'there is none' : `${there.toLocaleString('en-US')} are there, and none was drawn`;
    const effect = isTrained ? 'it cannot be learned' : 'no score tells of it';
    warn(`${task.name} ${split.name}: no example of "${label}" is used (${drawn}), so that ${effect}.`);
  }
}

/** Encodes what is used of a split to be scored, once for however many scorings. */
export function scorerOf(
  opened: OpenedModel,
  task: TaskAsked,
  used: UsedSplit,
  options: Omit<EncodeOptions, 'warn' | 'phase'>,
  reporter: Reporter,
): Promise<Scorer> {
  const warn = warnerOf(task, used, reporter);
  return task.kind.scorer(opened, task, used.examples, { ...options, warn, phase: reporter.phase });
}

const warnerOf =
  (task: TaskAsked, { split }: UsedSplit, reporter: Reporter) =>
  (message: string) =>
    reporter.warn(`${task.name} ${split.name}: ${message}`);

/** Encodes what is used of a split to be learned from. */
export async function encodeUsed(
  opened: OpenedModel,
  task: TaskAsked,
  used: UsedSplit,
  options: Omit<EncodeOptions, 'warn' | 'phase'>,
  reporter: Reporter,
): Promise<EncodedSplit> {
  const warn = warnerOf(task, used, reporter);
  const encoded = await task.kind.encode(opened, task, used.examples, { ...options, warn, phase: reporter.phase });
  return { ...used, encoded };
}

/** Outputs of the head that a task needs. */
export const outputsOf = (task: Pick<Task, 'kind' | 'labels'>) => task.kind.outputs(task);

/** The head that a task needs. @param part what of it is trained */
export function headOf(task: Pick<Task, 'kind' | 'labels'> & KindFacts, part: HeadPart): ModelOptions {
  return { taskType: task.kind.taskType, numLabels: outputsOf(task), head: part, vectors: task.vectors };
}

/**
 * The longest sequence of a run: as it says, else the task's, else what most training sequences need where the kind can tell, and 128 at
 * least; as far as the model allows.
 */
export async function sequenceLength(
  opened: OpenedModel,
  asked: number | undefined,
  task: Task,
  { examples }: UsedSplit,
  { reporter, signal }: { readonly reporter: Reporter; readonly signal?: AbortSignal | undefined },
): Promise<number> {
  const { model, tokenizer } = opened;
  if (asked !== undefined) return sequenceLimit(model, tokenizer, asked);
  const limit = longestOf(model, tokenizer);
  if (task.maxLength !== undefined) return Math.min(task.maxLength, limit);
  const lengths = (await task.kind.sequenceLengths?.(opened, task, examples, { signal })) ?? [];
  // The nearest rank: of fewer than a hundred the longest.
  const needed = lengths.sort((a, b) => a - b)[Math.ceil(fittingShare * lengths.length) - 1] ?? 0;
  if (needed <= usualLength) return Math.min(usualLength, limit);
  const found = Math.min(needed, limit);
  const reason =
    found < needed
      ? `all that ${model.checkpoint.name} allows`
      : `as ${fittingShare * 100}% of the training examples need`;
  reporter.info(`Sequences of ${task.name}: up to ${found} tokens, ${reason} (--max-length changes it)`);
  return found;
}

/** @throws DiffoError (usage) when the model or its tokenizer allows less than `maxLength` */
export function sequenceLimit(model: Model, tokenizer: Tokenizer, maxLength: number): number {
  const limit = longestOf(model, tokenizer);
  if (maxLength > limit) {
    throw usageError(
      `--max-length ${maxLength} is more than the ${limit} tokens that ${model.checkpoint.name} allows.`,
    );
  }
  return maxLength;
}

/**
 * The longest sequence of what an adapter answers: as is asked, else as it was trained; of an adapter that does not say how it
 * was trained, as far as the model allows.
 * @param name of the adapter, for messages
 * @throws DiffoError when model or tokenizer allow less
 */
export function learnedLength(
  { model, tokenizer }: OpenedModel,
  asked: number | undefined,
  task: Pick<LearnedTask, 'foreign'> & { readonly maxLength: number },
  name: string,
): number {
  if (asked !== undefined) return sequenceLimit(model, tokenizer, asked);
  const { maxLength } = task;
  const limit = longestOf(model, tokenizer);
  if (maxLength <= limit || isUnknown(task)) return Math.min(maxLength, limit);
  throw new DiffoError(
    `${name} was trained on sequences of up to ${maxLength} tokens, and ${model.checkpoint.name} allows ${limit}. Give ` +
      `--max-length ${limit} to cut them there, or the model that it was trained on.`,
  );
}

/** Tokens of the longest sequence that model and tokenizer allow. */
export function longestOf(model: Model, tokenizer: Tokenizer): number {
  return Math.min(model.maxLength, tokenizer.modelMaxLength ?? model.maxLength);
}
