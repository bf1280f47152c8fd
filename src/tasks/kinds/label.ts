import type { EncodedExample } from '../../engine/batch.js';
import { DiffoError } from '../../errors.js';
import { openPredictor, predictLogits } from '../../infer/predictLogits.js';
import { computeMetrics, predictedOf } from '../../metrics/metrics.js';
import { encodeSplit } from '../encoding/encodeTexts.js';
import type { Adapted, KindRules, LabelPrediction, ScoreOptions } from './kind.js';

/** Classes and scores: one row of logits for each example. */
export function labelKind(kind: 'classification' | 'regression'): KindRules {
  return {
    taskType: 'SEQ_CLS',
    outputs: ({ labels }) => (kind === 'regression' ? 1 : labels.length),
    encode: async ({ tokenizer }, _task, examples, options) => encodeSplit(tokenizer, examples, options),
    async scorer({ tokenizer }, task, examples, options) {
      const labels = examples.map(({ id, label }) => {
        if (label === undefined) throw new DiffoError(`Row ${id} has no label to score by. Label or remove it.`);
        return label;
      });
      const encoded = await encodeSplit(tokenizer, examples, options);
      return async (adapted, scoring) => {
        const logits = await logitsOf(adapted, encoded, scoring);
        return { scores: computeMetrics(task, logits, labels), predicted: predictedOf(task, logits) };
      };
    },
    async answerer({ opened, plan, parameters }, { threads }) {
      const predictor = await openPredictor(opened.model, plan, parameters, { threads });
      return {
        async answer(task, examples, options) {
          const encoded = await encodeSplit(opened.tokenizer, examples, options);
          const rows = await predictor.each(encoded, { signal: options.signal, onBatch: options.onDone });
          return rows.map((logits) => labelPrediction(Array.from(logits), task.labels));
        },
        release: predictor.release,
      };
    },
  };
}

function logitsOf(
  { opened, plan, parameters }: Adapted,
  encoded: readonly EncodedExample[],
  { threads, signal, onDone }: ScoreOptions,
) {
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
