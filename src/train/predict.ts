import { encodeSplit } from '../data/batching.js';
import { argmaxRows } from '../data/metrics.js';
import type { Example } from '../data/types.js';
import type { TaskFile } from './adapterFolder.js';
import { sequenceLimit } from './context.js';
import { type AdapterOptions, openAdapted } from './evaluate.js';
import { predictLogits } from './predictLogits.js';

/** One line of `predict`'s output. */
export interface Prediction {
  /** Name of the likeliest class, or the predicted score as text-free number for regression. */
  readonly label: string | number;
  /** Probability of that class (softmax), or the predicted score. */
  readonly score: number;
  readonly logits: readonly number[];
}

export interface PredictAdapterOptions extends AdapterOptions {
  readonly maxLength?: number | undefined;
  /** Makes the examples once the task of the adapter is known. */
  readonly examples: (task: TaskFile) => Promise<readonly Example[]>;
}

/** `diffora predict`: a prediction for each example, in order. */
export async function predictWithAdapter(options: PredictAdapterOptions): Promise<Prediction[]> {
  const { reporter, threads, signal } = options;
  const { opened, loaded, plan, parameters } = await openAdapted(options);
  const { model, tokenizer } = opened;
  const examples = await options.examples(loaded.task);
  const maxLength = sequenceLimit(model, tokenizer, options.maxLength ?? loaded.task.maxLength);
  const encoded = encodeSplit(tokenizer, examples, { maxLength, warn: reporter.warn });
  const phase = reporter.phase('predict', encoded.length);
  const onBatch = (done: number) => phase.update(done);
  const logits = await predictLogits(model, plan, parameters, encoded, { threads, signal, onBatch });
  phase.end();
  const { numLabels } = model;
  const best = argmaxRows(logits, numLabels);
  return encoded.map((_, row) => {
    const values = Array.from(logits.subarray(row * numLabels, (row + 1) * numLabels));
    if (loaded.task.kind === 'regression') return { label: values[0]!, score: values[0]!, logits: values };
    return { label: loaded.task.labels[best[row]!]!, score: softmaxAt(values, best[row]!), logits: values };
  });
}

/** Softmax probability of one entry. */
function softmaxAt(logits: readonly number[], index: number): number {
  const highest = Math.max(...logits);
  const total = logits.reduce((sum, logit) => sum + Math.exp(logit - highest), 0);
  return Math.exp(logits[index]! - highest) / total;
}
