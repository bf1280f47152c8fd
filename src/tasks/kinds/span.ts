import { cellOf } from '../../data/readers/table.js';
import type { Example } from '../../data/types.js';
import type { EncodedExample } from '../../engine/batch.js';
import type { Objective } from '../../engine/objective.js';
import { DiffoError } from '../../errors.js';
import { isJsonObject } from '../../files/jsonText.js';
import { input, ops } from '../../graph/index.js';
import { openPredictor, type Predictor } from '../../infer/predictLogits.js';
import type { MetricName } from '../../metrics/names.js';
import type { Scores } from '../../metrics/scores.js';
import { bestNoAnswerThreshold } from '../../metrics/text/noAnswerThreshold.js';
import { exactMatch, tokenF1 } from '../../metrics/text/squad.js';
import { answersOf } from '../answers.js';
import { passageWindows } from '../encoding/windows.js';
import { filledCells, isEmpty, textsOfRow } from '../rows.js';
import { answered, bestSpan, type SpanPrediction, type WindowLogits } from './bestSpan.js';
import { defineKind, headSettings, type Kind, type Scored, type ScoreOptions, type TaskAsked } from './kind.js';
import { answeringAs, isClass } from './ownHead.js';
import { labelConfig, refuseLossChanges } from './perRow.js';

export type { SpanPrediction };

/** The mean of the cross-entropies of start and end over the positions; padding stands in the softmax. */
export const spanObjective: Objective = {
  labels(examples, sequenceLength) {
    const data = new Float32Array(examples.length * 2 * sequenceLength);
    for (const [row, { span }] of examples.entries()) {
      if (span === undefined) return undefined;
      for (const [end, position] of span.entries()) data[(row * 2 + end) * sequenceLength + position] = 1;
    }
    return { data, shape: [examples.length, 2, sequenceLength] };
  },
  reads: 'all',
  parts: 'alike',
  weight: ({ batchSize }) => batchSize,
  loss(logits) {
    const ends = ops.transpose(ops.reshape(logits, ['batch', 'seq', 2]), [0, 2, 1]);
    const hit = ops.mul(ops.logSoftmax(ends), input('labels', 'float32', ['batch', 2, 'seq']));
    const total = ops.sum(hit, { axes: [0, 1, 2], keepDims: false });
    return ops.neg(ops.div(total, ops.scale(ops.size('batch'), 2)));
  },
};

declare module './kind.js' {
  interface Predictions {
    readonly span: SpanPrediction;
  }
}

/** Answers that are parts of a passage, as SQuAD asks for them. */
export const span = defineKind<SpanPrediction>({
  name: 'span',
  columns: {
    text: ['question'],
    pair: ['context'],
    label: ['answers'],
    pairIs: 'the passages that hold the answers',
  },
  keys: ['pair'],
  // As for SQuAD: passages are long.
  maxLength: 384,
  metrics: () => ({ usual: ['f1', 'exact_match'], further: ['best_f1', 'best_exact_match'] }),

  /** Answers in SQuAD's form. */
  recognises(table, { label }) {
    const cells = filledCells(table, label);
    const isAnswers = (cell: unknown) =>
      isJsonObject(cell) && Array.isArray(cell.text) && Array.isArray(cell.answer_start);
    return cells.length > 0 && cells.every(isAnswers);
  },
  example({ columns }, row, where) {
    const texts = textsOfRow(columns, row, where);
    const cell = cellOf(row, columns.label);
    // No answer is one: an empty cell says that the passage does not.
    if (cell === undefined) return texts;
    return { ...texts, answers: isEmpty(cell) ? [] : answersOf(cell, texts.pair ?? '', where) };
  },
  isLabelled: ({ answers }) => answers !== undefined,
  labelCounts: () => ({}),

  taskType: 'QUESTION_ANS',
  outputs: () => 2,
  settings: ['stride', 'nullScoreDiffThreshold', ...headSettings],
  unread: (setting, { metrics }) =>
    setting === 'nullScoreDiffThreshold' && !knowsNoAnswer(metrics)
      ? 'is scored as if every question had an answer, without best_f1 or best_exact_match'
      : undefined,
  objective(changes) {
    refuseLossChanges(changes);
    return spanObjective;
  },
  encode: async ({ tokenizer }, _task, examples, options) => passageWindows(tokenizer, examples, options),
  async scorer({ tokenizer }, task, examples, encoding) {
    const right = examples.map(({ id, answers }) => {
      if (answers === undefined) throw new DiffoError(`Row ${id} has no answers to score by. Add them or remove it.`);
      return answers.map(({ text }) => text);
    });
    const windows = await passageWindows(tokenizer, examples, encoding);
    return {
      async open({ opened, plan, parameters }, computing) {
        const predictor = await openPredictor(opened.model, plan, parameters, computing);
        return {
          score: async (options) =>
            scoredSpans(
              await bestSpans(predictor, examples, windows, options),
              right,
              task,
              thresholdOf(task, options),
            ),
          release: predictor.release,
        };
      },
    };
  },
  async answerer({ opened, plan, parameters }, { threads }) {
    const predictor = await openPredictor(opened.model, plan, parameters, { threads });
    return {
      async answer(task, examples, options) {
        const windows = await passageWindows(opened.tokenizer, examples, options);
        const best = await bestSpans(predictor, examples, windows, options);
        return best.map((one) => answered(one, thresholdOf(task, options)));
      },
      release: predictor.release,
    };
  },

  // Without a metric of questions that have no answer, one is always given.
  ownHead: {
    fits: ({ config }) => isClass(config, /ForQuestionAnswering$/),
    taskType: 'QUESTION_ANS',
    open: answeringAs((): Kind => span, ['f1']),
  },

  line: ({ answer }) => (answer === '' ? 'no answer' : answer),
  describe: () => ['answers', 'parts of a passage'],
  card: () => ({
    pipeline: 'question-answering',
    model: 'AutoModelForQuestionAnswering',
    outputs: 2,
    // PeftModelForQuestionAnswering.forward of PEFT 0.21 takes token_type_ids and does not pass them on.
    line: 'output = model.base_model(**tokenizer("a question", "a passage", return_tensors="pt"))  # start_logits, end_logits',
  }),
  // transformers gives a question-answering head as many outputs as there are labels.
  headConfig: () => labelConfig(['LABEL_0', 'LABEL_1']),
  fromHead: ({ taskType }) =>
    taskType !== 'QUESTION_ANS'
      ? undefined
      : {
          labels: [],
          columns: { text: 'question', pair: 'context', label: 'answers' },
          metrics: ['f1', 'exact_match'],
          maxLength: 384,
        },
});

/** @param right the texts that count as right of each example */
function scoredSpans(
  best: readonly SpanPrediction[],
  right: readonly (readonly string[])[],
  task: TaskAsked,
  threshold: number,
): Scored {
  const given = best.map((one) => answered(one, threshold).answer);
  const each = {
    f1: given.map((text, i) => tokenF1(text, right[i]!)),
    exact: given.map((text, i) => exactMatch(text, right[i]!)),
  };
  const thresholds = best.map(({ answer, score, noAnswerScore }, i) => ({
    exact: exactMatch(answer, right[i]!),
    f1: tokenF1(answer, right[i]!),
    noAnswerScore: noAnswerScore - score,
    hasAnswer: right[i]!.length > 0,
  }));
  const scores: Scores = {};
  const notes: string[] = [];
  for (const name of task.metrics) {
    const measure = measures[name];
    if (measure === undefined) throw new Error(`${name} is no metric of spans`);
    if (name.startsWith('best_')) {
      const found = bestNoAnswerThreshold(thresholds, measure);
      scores[name] = found.score;
      notes.push(`${name} is that of --null-score-diff-threshold ${found.threshold.toPrecision(4)}`);
    } else scores[name] = mean(each[measure]);
  }
  const statistics = each[measures[task.metrics[0]!]!].map((value) => [value]);
  return { scores, statistics, ...(notes.length === 0 ? {} : { note: notes.join('; ') }) };
}

/** Where every question has an answer, one is always given. */
function thresholdOf(
  { metrics }: TaskAsked,
  { nullScoreDiffThreshold = 0 }: Pick<ScoreOptions, 'nullScoreDiffThreshold'>,
): number {
  return knowsNoAnswer(metrics) ? nullScoreDiffThreshold : Number.POSITIVE_INFINITY;
}

/** True for a task in which a passage may not say. */
function knowsNoAnswer(metrics: readonly MetricName[]): boolean {
  return metrics.some((name) => name.startsWith('best_'));
}

/** What each metric measures of an answer. */
const measures: Readonly<Partial<Record<MetricName, 'f1' | 'exact'>>> = {
  f1: 'f1',
  exact_match: 'exact',
  best_f1: 'f1',
  best_exact_match: 'exact',
};

function mean(values: readonly number[]): number {
  return values.reduce((sum, one) => sum + one, 0) / values.length;
}

async function bestSpans(
  predictor: Predictor,
  examples: readonly Example[],
  windows: readonly EncodedExample[],
  { signal, onDone }: Pick<ScoreOptions, 'signal' | 'onDone'>,
): Promise<SpanPrediction[]> {
  const onBatch = (done: number, tokens: number) =>
    onDone?.(Math.floor((examples.length * done) / windows.length), tokens);
  const logits = await predictor.each(windows, { signal, onBatch });
  const ofExample = groupByExample(windows, logits, examples.length);
  return examples.map(({ pair = '' }, i) => bestSpan(pair, ofExample[i]!));
}

function groupByExample(windows: readonly EncodedExample[], logits: readonly Float32Array[], examples: number) {
  const groups: WindowLogits[][] = Array.from({ length: examples }, () => []);
  for (const [i, window] of windows.entries()) groups[window.index]!.push({ window, logits: logits[i]! });
  return groups;
}
