import type { BatchLabels, EncodedExample } from '../../engine/batch.js';
import type { Objective } from '../../engine/objective.js';
import { DiffoError } from '../../errors.js';
import { constant, input, ops, type Tensor } from '../../graph/index.js';
import { openPredictor, predictLogits } from '../../infer/predictLogits.js';
import { computeMetrics, predictedOf } from '../../metrics/metrics.js';
import { encodeSplit } from '../encoding/encodeTexts.js';
import type { Adapted, KindRules, LabelPrediction, ScoreOptions } from './kind.js';

/** Labels [batch], one a row; undefined where one is missing. */
function rowLabels(
  examples: readonly EncodedExample[],
  toData: (labels: readonly number[]) => BatchLabels['data'],
): BatchLabels | undefined {
  const labels = examples.flatMap(({ label }) => (label === undefined ? [] : [label]));
  return labels.length < examples.length ? undefined : { data: toData(labels), shape: [labels.length] };
}

/** Changes of the cross-entropy of classification, in training. */
export interface LossOptions {
  /** ε: share of a target that is spread over all classes (arXiv 1512.00567, section 7). */
  readonly labelSmoothing?: number | undefined;
  /** Weight of the examples of each class; the mean is taken over the weights. */
  readonly classWeights?: readonly number[] | undefined;
}

/** Cross-entropy of a class for each example. */
export function classificationObjective(options: LossOptions = {}): Objective {
  const { classWeights } = options;
  return {
    labels: (examples) => rowLabels(examples, (labels) => BigInt64Array.from(labels, BigInt)),
    reads: 'all',
    parts: 'apart',
    weight({ batchSize, labels }) {
      if (classWeights === undefined) return batchSize;
      const classes = Array.from(labels!.data as BigInt64Array, Number);
      return classes.map((label) => classWeights[label]!).reduce((sum, weight) => sum + weight, 0);
    },
    loss: (logits) => classificationLoss(logits, input('labels', 'int64', ['batch']), options),
  };
}

/** Squared error of a score for each example. */
export const regressionObjective: Objective = {
  labels: (examples) => rowLabels(examples, (labels) => Float32Array.from(labels)),
  reads: 'all',
  parts: 'apart',
  weight: ({ batchSize }) => batchSize,
  loss(logits) {
    const error = ops.sub(ops.reshape(logits, ['batch']), input('labels', 'float32', ['batch']));
    return ops.mean(ops.mul(error, error), { axes: [0], keepDims: false });
  },
};

/** Classes and scores: one row of logits for each example. */
export function labelKind(kind: 'classification' | 'regression'): KindRules {
  return {
    taskType: 'SEQ_CLS',
    outputs: ({ labels }) => (kind === 'regression' ? 1 : labels.length),
    objective: (loss) => (kind === 'regression' ? regressionObjective : classificationObjective(loss)),
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

/**
 * Σ wᵢ ((1 − ε) nllᵢ) + ε/C ΣᵢΣ_c w_c (−log pᵢ_c), both over Σ wᵢ, wᵢ being the weight of the label's class: PyTorch's
 * cross_entropy with `weight` and `label_smoothing`.
 */
function classificationLoss(logits: Tensor, labels: Tensor, { labelSmoothing = 0, classWeights }: LossOptions): Tensor {
  const all = (x: Tensor) => ops.sum(x, { axes: x.shape.map((_, axis) => axis), keepDims: false });
  const nll = ops.crossEntropy(logits, labels);
  if (labelSmoothing === 0 && classWeights === undefined) return ops.mean(nll, { axes: [0], keepDims: false });
  const classes = logits.shape[1] as number;
  const weights = constant(Float32Array.from(classWeights ?? new Array<number>(classes).fill(1)), [classes]);
  const ofLabels = ops.reshape(ops.gather(ops.reshape(weights, [classes, 1]), labels), ['batch']);
  const spread = ops.neg(all(ops.mul(ops.logSoftmax(logits), weights)));
  const total = ops.add(
    ops.scale(all(ops.mul(nll, ofLabels)), 1 - labelSmoothing),
    ops.scale(spread, labelSmoothing / classes),
  );
  return ops.div(total, all(ofLabels));
}
