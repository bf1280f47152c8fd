import type { Example } from '../data/types.js';
import type { TaskFile } from './adapterFolder.js';
import { usualThreads } from './config.js';
import { type AdapterOptions, openAdapted } from './evaluate.js';
import type { Prediction } from './kinds/kind.js';
import { kinds } from './kinds/registry.js';
import { silent } from './reporter.js';
import { sequenceLimit } from './splits.js';

export interface PredictAdapterOptions extends AdapterOptions {
  readonly maxLength?: number | undefined;
  readonly stride?: number | undefined;
  readonly nullScoreDiffThreshold?: number | undefined;
  /** Makes the examples once the task of the adapter is known. */
  readonly examples: (task: TaskFile) => Promise<readonly Example[]>;
}

/** `diffora predict`: a prediction for each example, in order. */
export async function predictWithAdapter(options: PredictAdapterOptions): Promise<Prediction[]> {
  const { reporter = silent, threads = usualThreads, signal, stride, nullScoreDiffThreshold } = options;
  const adapted = await openAdapted(options);
  const { model, tokenizer } = adapted.opened;
  const { task } = adapted.loaded;
  const examples = await options.examples(task);
  const maxLength = sequenceLimit(model, tokenizer, options.maxLength ?? task.maxLength);
  const phase = reporter.phase('predict', examples.length);
  const answerer = await kinds[task.kind].answerer(adapted, { threads });
  const answering = answerer.answer(task, examples, {
    maxLength,
    stride,
    nullScoreDiffThreshold,
    signal,
    warn: reporter.warn,
    onDone: (done, tokens) => phase.update(done, { examples: done, tokens }),
  });
  const predictions = await answering.finally(answerer.release);
  phase.end();
  return predictions;
}
