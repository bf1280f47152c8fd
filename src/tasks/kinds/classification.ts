import { cellOf, placeOf, type Table } from '../../data/readers/table.js';
import type { Example } from '../../data/types.js';
import type { Objective } from '../../engine/objective.js';
import { DiffoError, nearestNames, quoted, usageError } from '../../errors.js';
import { constant, input, ops, type Tensor } from '../../graph/index.js';
import { argmaxRows } from '../../metrics/metrics.js';
import { emptyScores, rowScores } from '../../metrics/ofRows.js';
import {
  filledCells,
  isEmpty,
  isNoNumber,
  labelIndex,
  labelName,
  refuseNameless,
  sortedLabels,
  textsOfRow,
} from '../rows.js';
import type { TaskShape } from '../task.js';
import { defineKind, headSettings, type LabelPrediction, type LossContext } from './kind.js';
import { isClass, readingEach } from './ownHead.js';
import { labelConfig, likeliestClass, perRow, predictedScore, rowLabels, sigmoid } from './perRow.js';
import { numberedLabels, type OutputsAre, outputsAre } from './savedLabels.js';

/** One of several classes for each text. */
export const classification = defineKind<LabelPrediction>({
  name: 'classification',
  keys: ['labels', 'pair'],
  metrics: () => ({ usual: ['accuracy', 'f1', 'matthews'] }),

  labelsIn(table, { label }) {
    for (const row of table.rows) refuseNameless(cellOf(row, label), placeOf(table.path, row));
    const names = sortedLabels(filledCells(table, label).map(labelName));
    refuseNoNumber(table, label, names);
    if (names.length >= 2) return names;
    const found = names.length === 1 ? `only the label ${quoted(names)}` : 'no labels';
    throw new DiffoError(`${table.path} has ${found} in column "${label}". Give examples of at least two classes.`);
  },
  example(task, row, where) {
    const texts = textsOfRow(task.columns, row, where);
    const cell = cellOf(row, task.columns.label);
    return isEmpty(cell) ? texts : { ...texts, label: labelIndex(cell, task, where) };
  },
  isLabelled: ({ label }) => label !== undefined,
  checkTraining: refuseLonely,
  labelCounts,

  taskType: 'SEQ_CLS',
  outputs: ({ labels }) => labels.length,
  settings: ['labelSmoothing', 'classWeights', ...headSettings],
  objective: (changes) => classificationObjective(changes && lossOptionsOf(changes)),
  ...perRow({
    target: ({ label }) => label,
    score({ labels, metrics }, logits, targets) {
      const predicted = Int32Array.from(logits, (row) => argmaxRows(row, labels.length)[0]!);
      const warnings = emptyScores(metrics, predicted, targets, (label) => `"${labels[label]}"`);
      return { scores: rowScores(metrics, predicted, targets, labels.length), predicted, warnings };
    },
    answer: ({ labels }, logits) => likeliestClass(logits, labels),
  }),

  ownHead: {
    // With several labels at once the outputs are no shares of one whole.
    fits: (checkpoint) =>
      isClass(checkpoint.config, /ForSequenceClassification$/) && outputsAre(checkpoint) !== 'anyLabels',
    taskType: 'SEQ_CLS',
    open: readingEach(({ model }, { labels }) => {
      const are = outputsAre(model.checkpoint);
      return { read: (logits) => savedAnswer(are, Array.from(logits), labels) };
    }),
  },

  line: ({ label, score }) => `${label}  ${score.toFixed(3)}`,
  describe: ({ labels }) => ['labels', labels.join(', ')],
  card: ({ labels }) => ({
    pipeline: 'text-classification',
    model: 'AutoModelForSequenceClassification',
    outputs: labels.length,
    line: 'logits = model(**tokenizer("a text", return_tensors="pt")).logits',
  }),
  headConfig: ({ labels }) => ({ ...labelConfig(labels), problem_type: 'single_label_classification' }),
  fromHead: ({ taskType, outputs, base }) =>
    taskType !== 'SEQ_CLS' || outputs === 1 || (base?.are ?? 'oneLabel') !== 'oneLabel'
      ? undefined
      : {
          labels: base?.labels ?? numberedLabels(outputs),
          columns: { text: 'text', label: 'label' },
          metrics: ['accuracy'],
        },
});

/**
 * What transformers' pipeline for text classification makes of outputs: those of a regression as they are, one output
 * alone a probability by itself (sigmoid), several shares of one whole (softmax).
 */
function savedAnswer(
  are: OutputsAre | undefined,
  logits: readonly number[],
  labels: readonly string[],
): LabelPrediction {
  if (are !== 'scores') {
    return logits.length > 1
      ? likeliestClass(logits, labels)
      : { label: labels[0]!, score: sigmoid(logits[0]!), logits };
  }
  if (logits.length === 1) return predictedScore(logits);
  const highest = Math.max(...logits);
  return { label: labels[logits.indexOf(highest)]!, score: highest, logits };
}

/** Changes of the cross-entropy, in training. */
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

/**
 * The loss that a run asks for. Balanced weights are n / (C · n_c), as scikit-learn has them.
 * @throws DiffoError (usage) for a class that the task does not have
 */
export function lossOptionsOf({ settings, task, examples }: LossContext): LossOptions {
  const { labelSmoothing, classWeights } = settings;
  if (labelSmoothing === 0 && classWeights === undefined) return {};
  if (classWeights === undefined) return { labelSmoothing };
  if (classWeights === 'balanced') {
    const counts = task.labels.map((_, c) => examples.filter(({ label }) => label === c).length);
    return {
      labelSmoothing,
      // A class without examples never occurs, so that its weight only matters to smoothing.
      classWeights: counts.map((count) => (count === 0 ? 1 : examples.length / (task.labels.length * count))),
    };
  }
  for (const name of Object.keys(classWeights)) {
    if (task.labels.includes(name)) continue;
    const nearest = nearestNames(name, task.labels).join(', ');
    throw usageError(`--class-weights ${name}: ${task.name} has no such class; nearest: ${nearest}.`);
  }
  return {
    labelSmoothing,
    classWeights: task.labels.map((name) => (Object.hasOwn(classWeights, name) ? classWeights[name]! : 1)),
  };
}

/** `nan` among numbers is a missing one, as `inf` is none that can be counted; among names they are names. */
function refuseNoNumber(table: Table, column: string, names: readonly string[]): void {
  const others = names.filter((name) => !isNoNumber(name));
  if (others.length === names.length || others.length < 2 || others.some((name) => !Number.isFinite(Number(name))))
    return;
  const row = table.rows.find((one) => isNoNumber(cellOf(one, column)))!;
  throw new DiffoError(
    `${placeOf(table.path, row)}: the label is "${labelName(cellOf(row, column))}", where others are numbers. Write a number or remove the row.`,
  );
}

function labelCounts(labels: readonly string[], examples: readonly Example[]): Record<string, number> {
  const counts = labels.map(() => 0);
  for (const { label } of examples) if (label !== undefined && label < counts.length) counts[label]!++;
  return Object.fromEntries(labels.map((label, i) => [label, counts[i]!]));
}

/** A class must have an example to train on and one to validate on. */
function refuseLonely({ labels }: TaskShape, train: readonly Example[], { path, rows }: Table): void {
  const counts = labelCounts(labels, train);
  const lonely = labels.filter((label) => counts[label]! < 2);
  if (lonely.length === 0) return;
  const example = train.find(({ label }) => label !== undefined && lonely[0] === labels[label]);
  const row = rows.find(({ line }) => example?.id === String(line));
  const where = row ? `${placeOf(path, row)}: the only example of` : `${path}: no example of`;
  const others = lonely.length > 1 ? ` (and ${lonely.length - 1} more classes like it)` : '';
  throw new DiffoError(
    `${where} class "${lonely[0]}"${others}. A class ` +
      'needs two or more: add examples or remove it. If the labels are scores, set "kind: regression" in a task file.',
  );
}
