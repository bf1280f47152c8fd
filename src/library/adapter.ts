import type { Learned } from '../artifacts/openAdapted.js';
import type { TaskFile } from '../artifacts/taskFile.js';
import { DiffoError } from '../errors.js';
import { type Evaluation, type ScoringOptions, scoreTask } from '../jobs/evaluate.js';
import { type PredictionOptions, predictExamples } from '../jobs/predict.js';
import { refuseUnread } from '../jobs/taskSettings.js';
import { inputExample, type PredictionInput } from '../tasks/inputExample.js';
import type { Answerer, Prediction } from '../tasks/kinds/kind.js';
import type { Task } from '../tasks/task.js';

/** An adapter on its base model, in memory. It holds a compiled graph from the first prediction on, until it is closed. */
export interface Adapter extends AsyncDisposable {
  /** What was learned: kind, labels, columns, metrics. */
  readonly task: TaskFile;
  /**
   * A prediction for each input, in order. The graph stays compiled between calls; calls may overlap.
   * @throws DiffoError for an input without the pair that the task is about, or after {@link close}
   */
  predict(inputs: readonly PredictionInput[], options?: PredictionOptions): Promise<Prediction[]>;
  /** The metrics of a split of a task of the same kind and labels. @throws DiffoError where they differ */
  evaluate(task: Task, options?: ScoringOptions): Promise<Evaluation>;
  /** Waits for what is under way and frees the memory. A second call does nothing. */
  close(): Promise<void>;
}

/** @param threads of predictions */
export function adapterOf(learned: Learned, threads: number): Adapter {
  const { task, name } = learned;
  const running = new Set<Promise<unknown>>();
  let answerer: Promise<Answerer> | undefined;
  let closing: Promise<void> | undefined;
  const during = <T>(work: () => Promise<T>): Promise<T> => {
    if (closing !== undefined) return Promise.reject(new DiffoError(`${name} is closed. Load or train it again.`));
    const call = work().finally(() => running.delete(call));
    running.add(call);
    return call;
  };
  const compiled = () => {
    answerer ??= task.kind.answerer(learned, { threads }).catch((error) => {
      answerer = undefined;
      throw error;
    });
    return answerer;
  };
  const end = async () => {
    await Promise.allSettled(running);
    await (await answerer)?.release();
  };
  const close = () => {
    closing ??= end();
    return closing;
  };
  return {
    task,
    predict: (inputs, options = {}) =>
      during(async () => {
        const { stride, nullScoreDiffThreshold } = options;
        refuseUnread({ stride, nullScoreDiffThreshold }, task);
        const examples = inputs.map((input, i) => inputExample(input, i, task));
        options.signal?.throwIfAborted();
        return predictExamples(learned, await compiled(), examples, options);
      }),
    evaluate: (other, options = {}) => during(() => scoreTask(learned, other, { threads, ...options })),
    close,
    [Symbol.asyncDispose]: close,
  };
}
