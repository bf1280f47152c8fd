import { encodeSplit } from '../../data/batching.js';
import { computeMetrics, predictedOf } from '../../data/metrics.js';
import type { Example } from '../../data/types.js';
import { DiffoError } from '../../errors.js';
import { predictLogits } from '../predictLogits.js';
import type { Adapted, AnswerOptions, KindRules, LabelPrediction } from './kind.js';

/** Classes and scores: one row of logits for each example. */
export function labelKind(kind: 'classification' | 'regression'): KindRules {
  return {
    taskType: 'SEQ_CLS',
    outputs: ({ labels }) => (kind === 'regression' ? 1 : labels.length),
    encode: async ({ tokenizer }, _task, examples, options) => encodeSplit(tokenizer, examples, options),
    async score(adapted, task, examples, options) {
      const labels = examples.map(({ id, label }) => {
        if (label === undefined) throw new DiffoError(`Row ${id} has no label to score by. Label or remove it.`);
        return label;
      });
      const logits = await logitsOf(adapted, examples, options);
      return { scores: computeMetrics(task, logits, labels), predicted: predictedOf(task, logits) };
    },
    async answer(adapted, task, examples, options) {
      const logits = await logitsOf(adapted, examples, options);
      const { numLabels } = adapted.opened.model;
      return examples.map((_, row) =>
        labelPrediction(Array.from(logits.subarray(row * numLabels, (row + 1) * numLabels)), task.labels),
      );
    },
  };
}

function logitsOf({ opened, plan, parameters }: Adapted, examples: readonly Example[], options: AnswerOptions) {
  const { threads, signal, onDone } = options;
  const encoded = encodeSplit(opened.tokenizer, examples, options);
  return predictLogits(opened.model, plan, parameters, encoded, { threads, signal, onBatch: onDone });
}

/** @param labels names of the classes; none for regression */
export function labelPrediction(logits: readonly number[], labels: readonly string[]): LabelPrediction {
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
