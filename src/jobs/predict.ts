import { type AdapterOptions, type Learned, openAdapted } from '../artifacts/openAdapted.js';
import type { TaskFile } from '../artifacts/taskFile.js';
import type { Example } from '../data/types.js';
import type { ProgressOptions } from '../reporter.js';
import { silent } from '../reporter.js';
import { usualThreads } from '../settings/config.js';
import type { Answerer, Prediction } from '../tasks/kinds/kind.js';
import { learnedLength } from '../tasks/splits.js';
import { warnOfEmpty } from './predictInput.js';
import { refuseUnread } from './taskSettings.js';

/** How inputs are read and answered. */
export interface PredictionOptions extends ProgressOptions {
  /** Longest sequence in tokens; default: as it was trained. */
  readonly maxLength?: number | undefined;
  /** Span tasks: tokens that neighbouring windows of a long passage share. */
  readonly stride?: number | undefined;
  /** Span tasks: an answer is left out where there being none has a score higher by more than this. Default 0. */
  readonly nullScoreDiffThreshold?: number | undefined;
}

/** What `diffora predict` is to answer, and with what. */
export interface PredictAdapterOptions extends AdapterOptions, Omit<PredictionOptions, keyof AdapterOptions> {
  /** Makes the examples once the task of the adapter is known. */
  readonly examples: (task: TaskFile) => Promise<readonly Example[]>;
}

/** `diffora predict`: a prediction for each example, in order. {@link loadAdapter} keeps the model open between calls. */
export async function predictWithAdapter(options: PredictAdapterOptions): Promise<Prediction[]> {
  return (await predictTask(options)).predictions;
}

/** The same, with the task that was learned. */
export async function predictTask(
  options: PredictAdapterOptions,
): Promise<{ readonly task: TaskFile; readonly predictions: Prediction[] }> {
  const { threads = usualThreads } = options;
  const learned = await openAdapted(options);
  const { task } = learned;
  const { stride, nullScoreDiffThreshold } = options;
  refuseUnread({ stride, nullScoreDiffThreshold }, task);
  const examples = await options.examples(task);
  const answerer = await task.kind.answerer(learned, { threads });
  return { task, predictions: await predictExamples(learned, answerer, examples, options).finally(answerer.release) };
}

/** Answers examples, told of as the phase `predict`. @param answerer of the same adapter */
export async function predictExamples(
  { opened, task, name }: Learned,
  answerer: Answerer,
  examples: readonly Example[],
  { reporter = silent, signal, maxLength, stride, nullScoreDiffThreshold }: PredictionOptions,
): Promise<Prediction[]> {
  warnOfEmpty(examples, reporter);
  const phase = reporter.phase('predict', examples.length);
  const predictions = await answerer.answer(task, examples, {
    maxLength: learnedLength(opened, maxLength, task, name),
    stride,
    nullScoreDiffThreshold,
    signal,
    warn: reporter.warn,
    onDone: (done, tokens) => phase.update(done, { examples: done, tokens }),
  });
  phase.end();
  return predictions;
}
