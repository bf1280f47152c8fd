import { encodeSplit } from '../data/batching.js';
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
  return encoded.map((_, row) =>
    predictionOf(Array.from(logits.subarray(row * numLabels, (row + 1) * numLabels)), loaded.task.labels),
  );
}

/** @param labels names of the classes; none for regression */
export function predictionOf(logits: readonly number[], labels: readonly string[]): Prediction {
  if (labels.length === 0) return { label: logits[0]!, score: logits[0]!, logits };
  const best = logits.indexOf(Math.max(...logits));
  return { label: labels[best] ?? `LABEL_${best}`, score: softmaxAt(logits, best), logits };
}

/** Softmax probability of one entry. */
function softmaxAt(logits: readonly number[], index: number): number {
  const highest = Math.max(...logits);
  const total = logits.reduce((sum, logit) => sum + Math.exp(logit - highest), 0);
  return Math.exp(logits[index]! - highest) / total;
}
