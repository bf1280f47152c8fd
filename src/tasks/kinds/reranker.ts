import * as z from 'zod';
import { placeOf, type Row, type Table } from '../../data/readers/table.js';
import { DiffoError, quoted } from '../../errors.js';
import { rerankingMetrics } from '../../metrics/reranking.js';
import { ownKeys } from '../ownKeys.js';
import {
  areScoredPassages,
  candidatesOf,
  exampleOf,
  type Form,
  formOf,
  forms,
  gatheredQueries,
  inColumnsOf,
  negativeColumnsOf,
  usualLabels,
  usualPassages,
  usualQueries,
} from '../reranking/forms.js';
import { type RankingLossName, rankingLosses, rankingLossNames, rankingObjective } from '../reranking/losses.js';
import { candidateScorer, encodedCandidates, openRanker } from '../reranking/score.js';
import { refuseMixedTypes } from '../rows.js';
import type { Columns } from '../task.js';
import { defineKind, headSettings, type KindFacts, type KindTerms, type LabelPrediction } from './kind.js';
import { namedLoss } from './namedLoss.js';
import { labelConfig, refuseLossChanges, sigmoid } from './perRow.js';

declare module './kind.js' {
  interface LossNames {
    /** By the names of sentence-transformers' for cross-encoders. */
    readonly rankings: RankingLossName;
  }
  interface KindFacts {
    /** Rankings of candidates: how rows are read, and what is learned of them. */
    readonly reranking?: RerankingFacts | undefined;
  }
  interface Predictions {
    readonly ranking: RankingPrediction;
  }
}

/** Scores of a query's candidates, where a row gives several. */
export interface RankingPrediction {
  /** Positions of the candidates, from 0, the best first. */
  readonly ranking: readonly number[];
  /** The score of each candidate, from 0 to 1, in their order. */
  readonly scores: readonly number[];
  /** The same before the sigmoid. */
  readonly logits: readonly number[];
}

const termsShape = {
  loss: z.enum(rankingLossNames).optional(),
  negatives: z.array(z.string().min(1)).min(1).optional(),
};
const factsShape = {
  form: z.enum(forms),
  loss: z.enum(rankingLossNames),
  negatives: z.array(z.string()),
};

/** How a task's rows are read, and what is learned of them; task.json keeps it. */
export interface RerankingFacts {
  readonly form: Form;
  /** By sentence-transformers' name. */
  readonly loss: RankingLossName;
  /** Columns of texts that are not relevant. */
  readonly negatives: readonly string[];
}

/** A score for each passage that may answer a query, both being read together. */
export const reranker = defineKind<LabelPrediction | RankingPrediction>({
  name: 'reranker',
  columns: { text: usualQueries, pair: usualPassages, label: usualLabels, pairIs: 'the passages' },
  keys: ['pair', ...Object.keys(termsShape)],
  terms: ownKeys<Pick<KindTerms, keyof typeof termsShape>>(z.object(termsShape)),
  facts: ownKeys<Pick<KindFacts, 'reranking'>>(z.object({ reranking: z.strictObject(factsShape).optional() })),
  factsOf: (terms, table, columns) => ({ reranking: factsOfTerms(terms, table, columns) }),
  metrics: () => ({ usual: rerankingMetrics }),

  recognises: areScoredPassages,
  inColumns(table, { columns, ...task }) {
    const { form, negatives } = factsOfTask(task, columns);
    // What is to be learned stands in the columns that are named; what was learned is asked for by other names, too.
    return task.reranking === undefined ? table : inColumnsOf(table, { columns, form, negatives });
  },
  example(task, row, where) {
    const { form, negatives } = factsOfTask(task, task.columns);
    return exampleOf({ columns: task.columns, form, negatives }, row, where);
  },
  isLabelled: (example) => candidatesOf(example).every(({ relevance }) => relevance !== undefined),
  gathered: gatheredQueries,
  checkTraining(task, examples, table) {
    const { loss, form } = factsOfTask(task, task.columns);
    if (form === 'scores') refuseMixedTypes(table, task.columns.label);
    const exampleIn = (row: Row) => task.kind.example(task, row, placeOf(table.path, row), table.path);
    refuseTwoScores(table, exampleIn);
    if (rankingLosses[loss].isOfEach) {
      for (const row of table.rows) {
        const beyond = candidatesOf(exampleIn(row)).find(({ relevance = 0 }) => relevance < 0 || relevance > 1);
        if (beyond === undefined) continue;
        throw new DiffoError(
          `${placeOf(table.path, row)}: the score is ${beyond.relevance}, and ${loss} learns from 0 to 1. Scale the scores, or take LambdaLoss.`,
        );
      }
    }
    const isFlat = rankingLosses[loss].isOfEach ? areFlat(examples.flatMap(candidatesOf)) : examples.every(isOfOne);
    if (!isFlat) return;
    const cure = rankingLosses[loss].isOfEach
      ? 'every passage has the same score'
      : 'no query has passages of different scores';
    throw new DiffoError(
      `${table.path}: ${cure}, so that ${loss} has nothing to tell apart. Add passages that do not answer.`,
    );
  },
  remarks(task, table, trained) {
    const { loss } = factsOfTask(task, task.columns);
    if (trained !== undefined || rankingLosses[loss].isOfEach) return [];
    const rows = table.rows.map((row) => task.kind.example(task, row, placeOf(table.path, row), table.path));
    const queries = gatheredQueries(rows);
    const flat = queries.filter(isOfOne).length;
    const of = `${flat} of ${queries.length} queries have passages of one score alone`;
    return flat === 0 ? [] : [`${table.path}: ${of}, of which ${loss} learns no order.`];
  },
  labelCounts: () => ({}),

  taskType: 'SEQ_CLS',
  outputs: () => 1,
  settings: headSettings,
  objective(changes, task) {
    refuseLossChanges(changes);
    return rankingObjective(factsOfTask(task ?? {}).loss);
  },
  async encode({ tokenizer }, _task, examples, options) {
    const encoded = await encodedCandidates(tokenizer, examples, options);
    return encoded.map(([first, ...further]) => ({ ...first!, ...(further.length === 0 ? {} : { further }) }));
  },

  scorer: (opened, { metrics }, examples, options) => candidateScorer(opened, metrics, examples, options),
  async answerer(adapted, { threads }) {
    const ranker = await openRanker(adapted, { threads });
    return {
      async answer(_task, examples, options) {
        const encoded = await encodedCandidates(adapted.opened.tokenizer, examples, options);
        const logits = await ranker.logits(encoded, options);
        return examples.map(({ candidates }, i) => {
          const own = Array.from(logits[i]!);
          return candidates === undefined ? scoredPair(own) : rankingOf(own);
        });
      },
      release: ranker.release,
    };
  },

  line: (answer) =>
    'ranking' in answer
      ? answer.ranking.map((i) => `${i + 1} (${answer.scores[i]!.toFixed(3)})`).join(', ')
      : answer.score.toFixed(3),
  describe: () => ['answers', 'scores of passages'],
  card: () => ({
    pipeline: 'text-ranking',
    model: 'AutoModelForSequenceClassification',
    outputs: 1,
    line: 'logits = model(**tokenizer("a query", "a passage", return_tensors="pt")).logits  # scores are their sigmoid',
  }),
  headConfig: () => ({ ...labelConfig(['LABEL_0']), sentence_transformers: { activation_fn: sigmoidOfTorch } }),
});

/** What sentence-transformers' CrossEncoder does to the one output. */
const sigmoidOfTorch = 'torch.nn.modules.activation.Sigmoid';

function scoredPair(logits: readonly number[]): LabelPrediction {
  const score = sigmoid(logits[0]!);
  return { label: score, score, logits };
}

function rankingOf(logits: readonly number[]): RankingPrediction {
  const ranking = [...logits.keys()].sort((a, b) => logits[b]! - logits[a]! || a - b);
  return { ranking, scores: logits.map(sigmoid), logits };
}

/** What a task says, else what a task of scored passages would. */
function factsOfTask({ reranking }: KindFacts, columns?: Columns): RerankingFacts {
  if (reranking !== undefined) return reranking;
  return { form: columns === undefined ? 'scores' : formOf(columns), loss: 'BinaryCrossEntropyLoss', negatives: [] };
}

function factsOfTerms(terms: KindTerms, table: Table, columns: Columns): RerankingFacts {
  const asked = namedLoss(terms.loss, rankingLossNames, table.path);
  const missing = terms.negatives?.find((name) => !table.columns.includes(name));
  if (missing !== undefined) {
    throw new DiffoError(
      `${table.path} has no column "${missing}" of negatives; it has ${quoted(table.columns)}. Correct "negatives".`,
    );
  }
  const form = formOf(columns, terms.negatives);
  const negatives =
    form === 'scores' ? [] : [...new Set([columns.label, ...(terms.negatives ?? negativeColumnsOf(table))])];
  const reading = { columns, form, negatives };
  const usual = () => {
    const all = table.rows.flatMap((row) => candidatesOf(exampleOf(reading, row, placeOf(table.path, row))));
    const isShare = all.every(({ relevance = 0 }) => relevance >= 0 && relevance <= 1);
    return isShare ? 'BinaryCrossEntropyLoss' : 'LambdaLoss';
  };
  return { form, loss: asked ?? usual(), negatives };
}

const areFlat = (candidates: readonly { readonly relevance?: number }[]) =>
  new Set(candidates.map(({ relevance }) => relevance)).size === 1;
const isOfOne = (example: Parameters<typeof candidatesOf>[0]) => areFlat(candidatesOf(example));

/** @throws DiffoError where two rows give a passage different scores for one query */
function refuseTwoScores(table: Table, exampleIn: (row: Row) => Parameters<typeof candidatesOf>[0]): void {
  const known = new Map<string, { readonly row: Row; readonly relevance: number | undefined }>();
  for (const row of table.rows) {
    const example = exampleIn(row);
    for (const { text, relevance } of candidatesOf(example)) {
      const key = JSON.stringify([example.text, text]);
      const before = known.get(key);
      if (before === undefined) known.set(key, { row, relevance });
      else if (before.relevance !== relevance) {
        throw new DiffoError(
          `${placeOf(table.path, row)}: the passage has the score ${relevance} for this query, and ${before.relevance} in ${placeOf(table.path, before.row)}. Keep one of the two.`,
        );
      }
    }
  }
}
