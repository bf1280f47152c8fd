import { cellOf } from '../../data/readers/table.js';
import type { Objective } from '../../engine/objective.js';
import { DiffoError } from '../../errors.js';
import { input, ops } from '../../graph/index.js';
import { emptyScores, rowScores } from '../../metrics/ofRows.js';
import { filledCells, isEmpty, isNoNumber, labelName, textsOfRow } from '../rows.js';
import { defineKind, headSettings, type LabelPrediction } from './kind.js';
import { labelConfig, perRow, predictedScore, refuseLossChanges, rowLabels } from './perRow.js';

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

/** A score for each text. */
export const regression = defineKind<LabelPrediction>({
  name: 'regression',
  keys: ['pair'],
  metrics: () => ({ usual: ['pearson', 'spearman'] }),

  /** Numbers, and not all of them whole; `nan` and `inf` among them are refused as the rows are read. */
  recognises(table, { label }) {
    const cells = filledCells(table, label);
    const isNumber = (cell: unknown) => typeof cell !== 'boolean' && Number.isFinite(Number(cell));
    const numbers = cells.filter((cell) => !isNoNumber(cell));
    return numbers.every(isNumber) && numbers.some((cell) => !Number.isInteger(Number(cell)));
  },
  example({ columns }, row, where) {
    const texts = textsOfRow(columns, row, where);
    const cell = cellOf(row, columns.label);
    if (isEmpty(cell)) return texts;
    const label = ['number', 'string', 'bigint'].includes(typeof cell) ? Number(cell) : Number.NaN;
    if (Number.isFinite(label)) return { ...texts, label };
    const cure = isNoNumber(cell) ? 'no finite number. Write one, or remove the row' : 'not a number. Mend it';
    throw new DiffoError(`${where}: the score "${labelName(cell)}" is ${cure}.`);
  },
  isLabelled: ({ label }) => label !== undefined,
  labelCounts: () => ({}),

  taskType: 'SEQ_CLS',
  outputs: () => 1,
  /** The mean: the first steps would else go into the way there, at a rate that is for all else. */
  outputBias: (examples) => [examples.reduce((sum, { label = 0 }) => sum + label, 0) / examples.length],
  settings: headSettings,
  objective(changes) {
    refuseLossChanges(changes);
    return regressionObjective;
  },
  ...perRow({
    target: ({ label }) => label,
    score({ metrics }, logits, targets) {
      const predicted = Float32Array.from(logits, (row) => row[0]!);
      const warnings = emptyScores(metrics, predicted, targets, (score) => score.toPrecision(4));
      return { scores: rowScores(metrics, predicted, targets, 1), predicted, warnings };
    },
    answer: (_task, logits) => predictedScore(logits),
  }),

  line: ({ score }) => score.toFixed(3),
  describe: () => ['labels', 'a score'],
  card: () => ({
    pipeline: 'text-classification',
    model: 'AutoModelForSequenceClassification',
    outputs: 1,
    line: 'logits = model(**tokenizer("a text", return_tensors="pt")).logits',
  }),
  headConfig: () => ({ ...labelConfig(['LABEL_0']), problem_type: 'regression' }),
  // transformers learns a score wherever there is one output and nothing else is said.
  fromHead: ({ taskType, outputs, base }) =>
    taskType !== 'SEQ_CLS' || outputs !== 1 || (base?.are ?? 'scores') !== 'scores'
      ? undefined
      : { labels: [], columns: { text: 'text', label: 'label' }, metrics: ['pearson', 'spearman'] },
});
