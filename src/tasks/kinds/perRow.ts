import type { Example } from '../../data/types.js';
import type { BatchLabels, EncodedExample } from '../../engine/batch.js';
import { DiffoError, usageError } from '../../errors.js';
import { openPredictor } from '../../infer/predictLogits.js';
import { encodeSplit } from '../encoding/encodeTexts.js';
import type { Kind, LabelPrediction, LossContext, Prediction, Scored, TaskAsked } from './kind.js';

/** What tells kinds with one row of outputs for each example apart. */
interface RowReading<Target, Answer extends Prediction> {
  /** What an example is scored by; undefined where it has none. */
  target(example: Example): Target | undefined;
  /** @param logits [outputs] of each example */
  score(task: TaskAsked, logits: readonly Float32Array[], targets: readonly Target[]): Scored;
  answer(task: TaskAsked, logits: readonly number[]): Answer;
}

/** How kinds with one row of outputs for each example encode, score and answer: a text, or two in one sequence. */
export function perRow<Target, Answer extends Prediction>({
  target,
  score,
  answer,
}: RowReading<Target, Answer>): Pick<Kind<Answer>, 'encode' | 'scorer' | 'answerer'> {
  return {
    encode: async ({ tokenizer }, _task, examples, options) => encodeSplit(tokenizer, examples, options),
    async scorer({ tokenizer }, task, examples, options) {
      const targets = examples.map((example) => {
        const found = target(example);
        if (found !== undefined) return found;
        throw new DiffoError(`Row ${example.id} has no label to score by. Label or remove it.`);
      });
      const encoded = await encodeSplit(tokenizer, examples, options);
      return {
        async open({ opened, plan, parameters }, computing) {
          const predictor = await openPredictor(opened.model, plan, parameters, computing);
          return {
            score: async ({ signal, onDone }) =>
              score(task, await predictor.each(encoded, { signal, onBatch: onDone }), targets),
            release: predictor.release,
          };
        },
      };
    },
    async answerer({ opened, plan, parameters }, { threads }) {
      const predictor = await openPredictor(opened.model, plan, parameters, { threads });
      return {
        async answer(task, examples, options) {
          const encoded = await encodeSplit(opened.tokenizer, examples, options);
          const rows = await predictor.each(encoded, { signal: options.signal, onBatch: options.onDone });
          return rows.map((logits) => answer(task, Array.from(logits)));
        },
        release: predictor.release,
      };
    },
  };
}

/** Labels [batch], one a row; undefined where one is missing. */
export function rowLabels(
  examples: readonly EncodedExample[],
  toData: (labels: readonly number[]) => BatchLabels['data'],
): BatchLabels | undefined {
  const labels = examples.flatMap(({ label }) => (label === undefined ? [] : [label]));
  return labels.length < examples.length ? undefined : { data: toData(labels), shape: [labels.length] };
}

/** The class of the largest logit. @param labels names of the classes */
export function likeliestClass(logits: readonly number[], labels: readonly string[]): LabelPrediction {
  const best = logits.indexOf(Math.max(...logits));
  return { label: labels[best] ?? `LABEL_${best}`, score: softmaxAt(logits, best), logits };
}

/** Probability of a logit by itself. */
export function sigmoid(logit: number): number {
  return 1 / (1 + Math.exp(-logit));
}

/** The one output as it is. */
export function predictedScore(logits: readonly number[]): LabelPrediction {
  return { label: logits[0]!, score: logits[0]!, logits };
}

/** @throws DiffoError (usage) where changes of the loss are asked for that only classes have */
export function refuseLossChanges(changes: LossContext | undefined): void {
  if (changes === undefined) return;
  const { settings, task } = changes;
  if (settings.labelSmoothing === 0 && settings.classWeights === undefined) return;
  throw usageError(`--label-smoothing and --class-weights are for classes; ${task.name} has none.`);
}

/** `id2label` and `label2id` of a config.json. */
export function labelConfig(labels: readonly string[]): Readonly<Record<string, unknown>> {
  return {
    id2label: Object.fromEntries(labels.map((label, i) => [String(i), label])),
    label2id: Object.fromEntries(labels.map((label, i) => [label, i])),
  };
}

/** Softmax probability of one entry. */
function softmaxAt(logits: readonly number[], index: number): number {
  const highest = Math.max(...logits);
  const total = logits.reduce((sum, logit) => sum + Math.exp(logit - highest), 0);
  return Math.exp(logits[index]! - highest) / total;
}
