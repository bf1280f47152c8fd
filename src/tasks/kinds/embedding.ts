import * as z from 'zod';
import { placeOf, type Table } from '../../data/readers/table.js';
import type { Example } from '../../data/types.js';
import { DiffoError, quoted } from '../../errors.js';
import { openPredictor } from '../../infer/predictLogits.js';
import { rankingMetrics } from '../../metrics/ranking.js';
import { poolings } from '../../models/pooling.js';
import {
  areOnOff,
  arePairs,
  exampleOf,
  type Form,
  formOf,
  forms,
  negativeColumnsOf,
  passagesAsTexts,
  refuseContradictions,
  usualClasses,
  usualPositives,
  usualScores,
  usualSeconds,
  usualTexts,
} from '../embedding/forms.js';
import {
  type VectorLoss,
  type VectorLossName,
  vectorLosses,
  vectorLossNames,
  vectorObjective,
} from '../embedding/losses.js';
import { textScorer } from '../embedding/score.js';
import { askedText, DistinctTexts, encodedTexts, passageText } from '../embedding/texts.js';
import { encodeSplit } from '../encoding/encodeTexts.js';
import { ownKeys } from '../ownKeys.js';
import { refuseMixedTypes } from '../rows.js';
import type { Columns } from '../task.js';
import { defineKind, type KindFacts, type KindTerms } from './kind.js';
import { namedLoss } from './namedLoss.js';
import { refuseLossChanges } from './perRow.js';

declare module './kind.js' {
  interface LossNames {
    /** By sentence-transformers' names. */
    readonly vectors: VectorLossName;
  }
  interface KindTerms {
    /** What similarities are multiplied by in losses of cosines. */
    readonly scale?: number | undefined;
    /** By how much what does not belong together is to be farther away, in losses of distances. */
    readonly margin?: number | undefined;
    /** Widths to which vectors may be cut: the loss is the sum of those of each (MatryoshkaLoss). */
    readonly matryoshkaDims?: readonly number[] | undefined;
    /** How tokens become a vector; left out, as the model's folder says. */
    readonly pooling?: (typeof poolings)[number] | undefined;
    /** Vectors of length 1; left out, as the model's folder says. */
    readonly normalize?: boolean | undefined;
    /** What stands before a text that asks. */
    readonly queryPrompt?: string | undefined;
    /** What stands before a text that is searched. */
    readonly passagePrompt?: string | undefined;
  }
  interface KindFacts {
    /** Vectors of texts: how rows are read, and what is learned of them. */
    readonly embedding?: EmbeddingFacts | undefined;
  }
  interface Predictions {
    readonly vector: VectorPrediction;
  }
}

/** The vector of a text. */
export interface VectorPrediction {
  readonly vector: readonly number[];
}

const lossShape = {
  scale: z.number().positive().optional(),
  margin: z.number().positive().optional(),
  matryoshkaDims: z.array(z.int().positive()).min(1).optional(),
};
const vectorsShape = {
  pooling: z.enum(poolings).optional(),
  normalize: z.boolean().optional(),
  queryPrompt: z.string().optional(),
  passagePrompt: z.string().optional(),
};
const termsShape = {
  loss: z.enum(vectorLossNames).optional(),
  ...lossShape,
  ...vectorsShape,
  negatives: z.array(z.string().min(1)).min(1).optional(),
};
const factsShape = {
  form: z.enum(forms),
  loss: z.enum(vectorLossNames),
  ...lossShape,
  negatives: z.array(z.string()),
};

/** How a task's rows are read, and what is learned of them; task.json keeps it. */
export interface EmbeddingFacts {
  readonly form: Form;
  /** By sentence-transformers' name. */
  readonly loss: VectorLossName;
  readonly scale?: number | undefined;
  readonly margin?: number | undefined;
  /** Widths to which vectors may be cut. */
  readonly matryoshkaDims?: readonly number[] | undefined;
  /** Columns of hard negatives. */
  readonly negatives: readonly string[];
}

/** The loss of a form where nothing else is said. */
const usualLosses = {
  pairs: 'MultipleNegativesRankingLoss',
  scores: 'CoSENTLoss',
  classes: 'BatchAllTripletLoss',
} as const satisfies Readonly<Record<EmbeddingFacts['form'], VectorLossName>>;

/** Vectors of texts that are near where texts belong together. */
export const embedding = defineKind<VectorPrediction>({
  name: 'embedding',
  columns: {
    text: usualTexts,
    pair: usualSeconds,
    label: [...usualPositives, ...usualScores, ...usualClasses],
  },
  keys: ['pair', ...Object.keys(termsShape)],
  terms: ownKeys<Pick<KindTerms, keyof typeof termsShape>>(z.object(termsShape)),
  facts: ownKeys<Pick<KindFacts, 'embedding' | 'vectors'>>(
    z.object({
      embedding: z.strictObject(factsShape).optional(),
      vectors: z.strictObject(vectorsShape).optional(),
    }),
  ),
  factsOf(terms, table, columns) {
    const { pooling, normalize, queryPrompt, passagePrompt } = terms;
    const vectors = said({ pooling, normalize, queryPrompt, passagePrompt });
    return { embedding: factsOfTerms(terms, table, columns), vectors };
  },
  factsOfModel: (task, { vectors }) => ({ vectors: { ...task.vectors, ...vectors } }),
  ownFacts: ['vectors'],
  metrics(columns, task) {
    const { form, loss } = task?.embedding ?? { form: formOf(columns), loss: undefined };
    if (form !== 'scores') return { usual: rankingMetrics, of: `task of embeddings from ${form}` };
    const [correlations, precision] = [['spearman', 'pearson'] as const, ['average_precision'] as const];
    const of = 'task of embeddings from scored pairs';
    return loss !== undefined && isOnOff(loss)
      ? { usual: precision, further: correlations, of }
      : { usual: correlations, further: precision, of };
  },

  recognises: arePairs,
  inColumns: (table, task) =>
    passagesAsTexts(table, { columns: task.columns, form: factsOfTask(task, task.columns).form }),
  example(task, row, where) {
    const { form, negatives } = factsOfTask(task, task.columns);
    return exampleOf({ columns: task.columns, form, negatives }, row, where);
  },
  isLabelled: ({ pair, label, className }) => pair !== undefined || label !== undefined || className !== undefined,
  checkTraining(task, examples, table) {
    const { loss, form } = factsOfTask(task, task.columns);
    if (form !== 'pairs') refuseMixedTypes(table, task.columns.label);
    for (const [i, example] of examples.entries()) {
      const fault = faultOf(loss, example, examples[0]!);
      if (fault !== undefined) throw new DiffoError(`${placeOf(table.path, table.rows[i]!)}: ${fault}`);
    }
    refuseContradictions(table, examples, isOnOff(loss));
    if (vectorLosses[loss].form !== 'classes') return;
    const counts = new Map<string, number>();
    for (const { className = '' } of examples) counts.set(className, (counts.get(className) ?? 0) + 1);
    if (counts.size > 1 && [...counts.values()].some((count) => count > 1)) return;
    throw new DiffoError(
      `${table.path}: ${loss} needs classes of two texts or more, and more than one class. Give such rows.`,
    );
  },
  labelCounts: () => ({}),

  taskType: 'FEATURE_EXTRACTION',
  outputs: () => 0,
  objective(changes, task) {
    refuseLossChanges(changes);
    const { loss, scale, margin, matryoshkaDims } = factsOfTask(task ?? {});
    return vectorObjective(loss, { scale, margin }, matryoshkaDims);
  },
  async encode({ model, tokenizer }, task, examples, options) {
    const facts = factsOfTask(task);
    const tooWide = facts.matryoshkaDims?.find((width) => width > model.numLabels);
    if (tooWide !== undefined) {
      throw new DiffoError(
        `${task.name}: matryoshkaDims has ${tooWide}, and vectors of ${model.checkpoint.name} have ${model.numLabels} numbers. Take smaller ones.`,
      );
    }
    const { isApart = false }: VectorLoss = vectorLosses[facts.loss];
    return encodedTexts(tokenizer, examples, task.vectors ?? {}, isApart, options);
  },
  async sequenceLengths({ tokenizer }, task, examples, { signal }) {
    const distinct = new DistinctTexts();
    const prompts = task.vectors ?? {};
    for (const example of examples) {
      const { pair, negatives = [] } = example;
      distinct.numberOf(askedText(example, prompts));
      for (const one of pair === undefined ? negatives : [pair, ...negatives]) {
        distinct.numberOf(passageText(one, prompts));
      }
    }
    const options = { maxLength: Number.MAX_SAFE_INTEGER, warn: () => {}, signal };
    return (await distinct.encode(tokenizer, options)).map(({ inputIds }) => inputIds.length);
  },

  answersSingleTexts: true,
  scorer(opened, task, examples, options) {
    const { form } = factsOfTask(task);
    return textScorer(opened, { form, prompts: task.vectors ?? {}, metrics: task.metrics }, examples, options);
  },
  async answerer({ opened, plan, parameters }, { threads }) {
    const predictor = await openPredictor(opened.model, plan, parameters, { threads });
    return {
      async answer(task, examples, options) {
        const asked = examples.map((example) => ({ id: example.id, text: askedText(example, task.vectors ?? {}) }));
        const encoded = await encodeSplit(opened.tokenizer, asked, options);
        const vectors = await predictor.each(encoded, { signal: options.signal, onBatch: options.onDone });
        return vectors.map((vector) => ({ vector: Array.from(vector) }));
      },
      release: predictor.release,
    };
  },

  line: ({ vector }) => `[${vector.map((value) => Number(value.toPrecision(6))).join(', ')}]`,
  describe: () => ['answers', 'vectors of texts'],
  card: () => ({
    pipeline: 'feature-extraction',
    model: 'AutoModel',
    line: 'states = model(**tokenizer("a text", return_tensors="pt")).last_hidden_state  # sentence-transformers opens this folder, too',
  }),
  headConfig: () => ({}),
  fromHead: ({ taskType }) =>
    taskType !== 'FEATURE_EXTRACTION'
      ? undefined
      : {
          labels: [],
          columns: { text: 'text', label: 'passage' },
          metrics: rankingMetrics,
          maxLength: 512,
        },
});

/** What a task says, else what a task of pairs would. */
function factsOfTask({ embedding: facts }: KindFacts, columns?: Columns): EmbeddingFacts {
  if (facts !== undefined) return facts;
  const form = columns === undefined ? 'pairs' : formOf(columns);
  return { form, loss: usualLosses[form], negatives: [] };
}

function factsOfTerms(terms: KindTerms, table: Table, columns: Columns): EmbeddingFacts {
  const { negatives: named, scale, margin, matryoshkaDims } = terms;
  const asked = namedLoss(terms.loss, vectorLossNames, table.path);
  const ofLoss = asked === undefined ? undefined : vectorLosses[asked].form;
  const form = formOf(columns, ofLoss === undefined ? undefined : ofLoss === 'classes');
  if (ofLoss !== undefined && ofLoss !== form) {
    const fitting = vectorLossNames.filter((name) => vectorLosses[name].form === form);
    throw new DiffoError(
      `${table.path}: ${asked} learns from ${told[ofLoss]}, and the rows are ${told[form]}. Choose from ${fitting.join(', ')}, or name other columns.`,
    );
  }
  const loss = asked ?? (form === 'scores' && areOnOff(table, columns) ? 'ContrastiveLoss' : usualLosses[form]);
  const { usual }: VectorLoss = vectorLosses[loss];
  for (const [key, value] of Object.entries({ scale, margin })) {
    if (value === undefined || Object.hasOwn(usual, key)) continue;
    throw new DiffoError(`${table.path}: ${loss} has no "${key}". Leave it out of the task file.`);
  }
  const missing = named?.find((name) => !table.columns.includes(name));
  if (missing !== undefined) {
    throw new DiffoError(
      `${table.path} has no column "${missing}" of negatives; it has ${quoted(table.columns)}. Correct "negatives".`,
    );
  }
  const negatives = form === 'pairs' ? [...(named ?? negativeColumnsOf(table))] : [];
  return { form, loss, negatives, ...said({ scale, margin, matryoshkaDims }) };
}

/** Learns that two texts belong together, or do not. */
function isOnOff(loss: VectorLossName): boolean {
  const { form, usual }: VectorLoss = vectorLosses[loss];
  return form === 'scores' && usual.margin !== undefined;
}

/** Without what is undefined. */
function said<T extends object>(given: T): { [Key in keyof T]?: Exclude<T[Key], undefined> } {
  return Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined)) as {
    [Key in keyof T]?: Exclude<T[Key], undefined>;
  };
}

const told = { pairs: 'pairs of a text and its passage', scores: 'pairs with a score', classes: 'texts with a class' };

/** Why a loss cannot learn from an example beside the first; undefined where it can. */
function faultOf(name: VectorLossName, example: Example, first: Example): string | undefined {
  const { negatives: takes, usual }: VectorLoss = vectorLosses[name];
  const [count, others] = [example.negatives?.length ?? 0, first.negatives?.length ?? 0];
  if (takes === 'one' && count !== 1) return `${name} needs one negative, and the row has ${count}. Give one.`;
  if (count !== others) {
    return `the row has ${count} negatives, and the first row has ${others}. Give every row as many.`;
  }
  const { label } = example;
  if (label === undefined) return undefined;
  if (usual.margin !== undefined && label !== 0 && label !== 1) {
    return `the score is ${label}, and ${name} learns from 0 and 1. Mend it, or take CoSENTLoss.`;
  }
  if (usual.margin !== undefined && label === 0 && example.text.trim() === example.pair?.trim()) {
    return 'the two texts are the same, and the score 0 says that they do not belong together. Remove the row.';
  }
  if (name === 'CosineSimilarityLoss' && Math.abs(label) > 1) {
    return `the score is ${label}, and ${name} learns cosines, from -1 to 1. Scale the scores, or take CoSENTLoss.`;
  }
  return undefined;
}
