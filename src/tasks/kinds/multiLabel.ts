import * as z from 'zod';
import { cellOf, type Row, shownCell, type Table } from '../../data/readers/table.js';
import type { Example } from '../../data/types.js';
import type { Objective } from '../../engine/objective.js';
import { DiffoError, quoted, usageError } from '../../errors.js';
import { constant, input, ops } from '../../graph/index.js';
import {
  bestThresholds,
  labelsAbove,
  multiLabelMetricNames,
  multiLabelStatistics,
  usualThreshold,
} from '../../metrics/multiLabel.js';
import { ownKeys } from '../ownKeys.js';
import { isEmpty, labelIndex, labelName, sortedLabels, textsOfRow } from '../rows.js';
import type { TaskShape } from '../task.js';
import { defineKind, headSettings, type Kind, type LossContext, type Scored, type TaskAsked } from './kind.js';
import { answeringAs, isClass } from './ownHead.js';
import { labelConfig, perRow, sigmoid } from './perRow.js';
import { numberedLabels, outputsAre } from './savedLabels.js';
import { scoredSums } from './scoredSums.js';

declare module '../../data/types.js' {
  interface Example {
    /** Several labels at once: those that the text has, by number. */
    readonly labels?: readonly number[];
  }
}
declare module '../../engine/batch.js' {
  interface EncodedExample {
    /** Several labels at once: 1 for each that the example has, else 0. [labels] */
    readonly labelHits?: readonly number[];
  }
}
declare module './kind.js' {
  interface KindTerms {
    /** `choose`: choose a threshold for each label on the dev split. Left out, all are one half. */
    readonly thresholds?: 'choose' | undefined;
  }
  interface KindFacts {
    /** Probabilities from which on a text has each label; `choose` where they have yet to be chosen. */
    readonly thresholds?: 'choose' | readonly number[] | undefined;
  }
  interface Predictions {
    readonly labels: LabelsPrediction;
  }
}

/** Any number of labels. */
export interface LabelsPrediction {
  /** Those whose probability is not below their threshold. */
  readonly labels: readonly string[];
  /** Probability of each label (sigmoid). */
  readonly scores: Readonly<Record<string, number>>;
  readonly logits: readonly number[];
}

/** Binary cross-entropy of each label, the mean over labels and examples: PyTorch's BCEWithLogitsLoss. */
export const multiLabelObjective: Objective = {
  labels(examples) {
    const rows = examples.flatMap(({ labelHits }) => (labelHits === undefined ? [] : [labelHits]));
    if (rows.length < examples.length) return undefined;
    return { data: Float32Array.from(rows.flat()), shape: [rows.length, rows[0]!.length] };
  },
  reads: 'all',
  parts: 'apart',
  weight: ({ batchSize }) => batchSize,
  // max(x, 0) − x y + log(1 + exp(−|x|)), which stays finite for large x.
  loss(logits) {
    const labels = input('labels', 'float32', logits.shape);
    const size = ops.add(ops.relu(logits), ops.relu(ops.neg(logits)));
    const rest = ops.log(ops.add(ops.exp(ops.neg(size)), constant(1)));
    const each = ops.add(ops.sub(ops.relu(logits), ops.mul(logits, labels)), rest);
    return ops.mean(each, { axes: [0, 1], keepDims: false });
  },
};

const rows = perRow<readonly number[], LabelsPrediction>({
  target: ({ labels }) => labels,
  score: scored,
  answer: ({ labels, thresholds }, logits) => labelsOf(logits, labels, thresholds),
});

/** Any number of labels for each text. */
export const multiLabel = defineKind<LabelsPrediction>({
  name: 'multi-label',
  columns: { text: ['text', 'sentence', 'sentence1'], pair: ['pair', 'sentence2'], label: ['labels', 'label'] },
  keys: ['labels', 'pair', 'thresholds'],
  terms: ownKeys(z.object({ thresholds: z.literal('choose').optional() })),
  facts: ownKeys(
    z.object({ thresholds: z.union([z.literal('choose'), z.array(z.number().min(0).max(1))]).optional() }),
  ),
  ownFacts: ['thresholds'],
  factsOf: ({ thresholds }) => (thresholds === undefined ? {} : { thresholds }),
  metrics: () => ({ usual: ['micro_f1', 'macro_f1', 'subset_accuracy'], of: 'task of several labels' }),

  /** Lists of names. */
  recognises(table, { text, label }) {
    const cells = table.rows.map((row) => cellOf(row, label)).filter((cell) => !isEmpty(cell));
    const isList = (cell: unknown) => Array.isArray(cell) && cell.every((one) => typeof one === 'string');
    const hasTexts = table.rows.every((row) => typeof cellOf(row, text) === 'string');
    return hasTexts && cells.length > 0 && cells.every(isList);
  },
  inColumns: listsOfColumns,
  labelsIn(table, columns) {
    const names = table.rows.flatMap((row) => listOf(cellOf(row, columns.label), table.path) ?? []);
    const labels = sortedLabels(names.map(labelName));
    if (labels.length > 0) return labels;
    throw new DiffoError(`${table.path} has no labels in column "${columns.label}". Give lists of their names.`);
  },
  example(task, row, where) {
    const texts = textsOfRow(task.columns, row, where);
    const list = listOf(cellOf(row, task.columns.label), where);
    if (list === undefined) return texts;
    const labels = [...new Set(list.map((one) => labelIndex(one, task, where)))].sort((a, b) => a - b);
    return { ...texts, labels };
  },
  isLabelled: ({ labels }) => labels !== undefined,
  labelCounts(labels, examples) {
    const count = (label: number) => examples.filter((one) => one.labels?.includes(label)).length;
    return Object.fromEntries(labels.map((name, label) => [name, count(label)]));
  },

  taskType: 'SEQ_CLS',
  outputs: ({ labels }) => labels.length,
  settings: headSettings,
  objective(changes) {
    refuseChanges(changes);
    return multiLabelObjective;
  },
  ...rows,
  async encode(opened, task, examples, options) {
    const encoded = await rows.encode(opened, task, examples, options);
    return encoded.map((one, i) => ({
      ...one,
      labelHits: task.labels.map((_, k) => (has(examples[i]!, k) ? 1 : 0)),
    }));
  },

  ownHead: {
    fits: (checkpoint) =>
      isClass(checkpoint.config, /ForSequenceClassification$/) && outputsAre(checkpoint) === 'anyLabels',
    taskType: 'SEQ_CLS',
    open: answeringAs((): Kind => multiLabel, ['micro_f1']),
  },

  line: ({ labels, scores }) =>
    labels.length === 0 ? 'no label' : labels.map((name) => `${name}  ${scores[name]!.toFixed(3)}`).join('; '),
  describe: ({ labels }) => ['labels', `any of ${labels.join(', ')}`],
  card: ({ labels }) => ({
    pipeline: 'text-classification',
    model: 'AutoModelForSequenceClassification',
    outputs: labels.length,
    line: 'probabilities = model(**tokenizer("a text", return_tensors="pt")).logits.sigmoid()',
  }),
  headConfig: ({ labels }) => ({ ...labelConfig(labels), problem_type: 'multi_label_classification' }),
  fromHead: ({ taskType, outputs, base }) =>
    taskType !== 'SEQ_CLS' || base?.are !== 'anyLabels'
      ? undefined
      : {
          labels: base.labels ?? numberedLabels(outputs),
          columns: { text: 'text', label: 'labels' },
          metrics: ['micro_f1', 'macro_f1', 'subset_accuracy'],
        },
});

function has({ labels }: Example, label: number): boolean {
  return labels?.includes(label) === true;
}

/** The labels of a cell: a list, also one that is written as JSON where a file has texts alone; undefined where it is empty. */
function listOf(cell: unknown, where: string): readonly unknown[] | undefined {
  if (isEmpty(cell)) return undefined;
  const list = typeof cell === 'string' && cell.trim().startsWith('[') ? parsedList(cell) : cell;
  if (Array.isArray(list)) return list;
  throw new DiffoError(
    `${where}: the labels are ${shownCell(cell, 40)}. Write a list, as in ["a", "b"], also of none: [].`,
  );
}

function parsedList(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** A table with a column of 0 and 1 for each label, told with a column of lists. */
function listsOfColumns(table: Table, { labels, columns }: TaskShape): Table {
  const there = labels.filter((label) => table.columns.includes(label));
  if (table.columns.includes(columns.label) || there.length === 0) return table;
  const missing = labels.find((label) => !there.includes(label));
  if (missing !== undefined) {
    throw new DiffoError(
      `${table.path} has columns of the labels ${quoted(there)}, and none of "${missing}". Add it, with 0 or 1 in each row.`,
    );
  }
  const isMarked = (row: Row, label: string) => {
    const cell = labelName(cellOf(row, label)).toLowerCase();
    if (['1', 'true'].includes(cell)) return true;
    if (['0', 'false'].includes(cell)) return false;
    throw new DiffoError(
      `${table.path}, ${row.place ?? `line ${row.line}`}: column "${label}" holds ${shownCell(cellOf(row, label), 40)}. Write 0 or 1.`,
    );
  };
  const told = (row: Row) => ({ ...row.values, [columns.label]: labels.filter((label) => isMarked(row, label)) });
  return {
    ...table,
    columns: [...table.columns, columns.label],
    rows: table.rows.map((row) => ({ ...row, values: told(row) })),
  };
}

function refuseChanges(changes: LossContext | undefined): void {
  if (changes === undefined) return;
  const { labelSmoothing, classWeights } = changes.settings;
  if (labelSmoothing === 0 && classWeights === undefined) return;
  throw usageError(
    `--label-smoothing and --class-weights are for one class a text; ${changes.task.name} has any number of labels.`,
  );
}

function labelsOf(
  logits: readonly number[],
  names: readonly string[],
  thresholds: TaskAsked['thresholds'],
): LabelsPrediction {
  const probabilities = logits.map(sigmoid);
  const above = labelsAbove(probabilities, thresholdsOf(thresholds, names));
  return {
    labels: names.filter((_, label) => above[label] === 1),
    scores: Object.fromEntries(names.map((name, label) => [name, probabilities[label]!])),
    logits,
  };
}

function thresholdsOf(thresholds: TaskAsked['thresholds'], labels: readonly string[]): readonly number[] {
  return thresholds === undefined || thresholds === 'choose' ? labels.map(() => usualThreshold) : thresholds;
}

function scored(task: TaskAsked, logits: readonly Float32Array[], targets: readonly (readonly number[])[]): Scored {
  const { labels, metrics } = task;
  const expected = targets.map((target) => labels.map((_, label) => (target.includes(label) ? 1 : 0)));
  const probabilities = logits.flatMap((row) => Array.from(row, sigmoid));
  const isChoosing = task.thresholds === 'choose';
  const thresholds = isChoosing
    ? bestThresholds(probabilities, expected.flat(), labels.length)
    : thresholdsOf(task.thresholds, labels);
  const above = labelsAbove(probabilities, thresholds);
  const each = expected.map((one, i) =>
    multiLabelStatistics(above.subarray(i * labels.length, (i + 1) * labels.length), one),
  );
  const found = Object.fromEntries(multiLabelMetricNames.map((name) => [name, each.map((one) => one[name])]));
  const sums = scoredSums(metrics, found, 'several labels');
  if (!isChoosing) return sums;
  const shown = labels.map((name, label) => `${name} ${thresholds[label]!.toPrecision(4)}`).join(', ');
  const note = `thresholds chosen on these examples, whose scores they flatter: ${shown}`;
  return { ...sums, note, found: { thresholds } };
}
