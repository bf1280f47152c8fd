import * as z from 'zod';
import { cellOf } from '../../data/readers/table.js';
import { usageError } from '../../errors.js';
import { openLikelihoods } from '../../infer/likelihood.js';
import { stopIds } from '../../infer/stopIds.js';
import { openTextWriter, type TextWriter } from '../../infer/textWriter.js';
import type { MetricName } from '../../metrics/names.js';
import type { OpenedModel } from '../../models/loading/withHead.js';
import { mapInTurns } from '../../turns.js';
import { newTokensShape } from '../newTokens.js';
import { ownKeys } from '../ownKeys.js';
import { isEmpty, textsOfRow } from '../rows.js';
import { holdsPairs, inTwoColumns, usualPairs } from '../seq2seq/forms.js';
import { sourcesOf, writingSequences } from '../seq2seq/sequences.js';
import { defineKind, type Kind, type KindFacts, type KindTerms, type ScoreOptions } from './kind.js';
import { languageObjective, textsOf } from './language.js';
import { answeringAs, isClass } from './ownHead.js';
import { refuseLossChanges } from './perRow.js';
import { inRounds } from './rounds.js';
import { scoredSums } from './scoredSums.js';
import type { WrittenPrediction } from './writtenAnswer.js';
import { referencesOf, writtenStatistics } from './writtenTexts.js';

declare module './kind.js' {
  interface KindTerms {
    /** Texts that are written anew: what stands before every text that is read. */
    readonly prefix?: string | undefined;
    /** Texts that are written anew: the longest in tokens. */
    readonly maxTargetLength?: number | undefined;
    /** Translations: the keys of the language that is read and of the one that is written. */
    readonly sourceLanguage?: string | undefined;
    readonly targetLanguage?: string | undefined;
  }
  interface KindFacts {
    /** How texts are written anew. */
    readonly rewriting?: RewritingFacts | undefined;
  }
}

/** How a model reads texts and writes others; task.json keeps it. */
export interface RewritingFacts {
  /** What stands before every text that is read, as T5 is asked: `translate English to German: `. */
  readonly prefix: string;
  /** Longest text to learn in tokens, its end included. */
  readonly maxTargetLength: number;
  /** Tokens that a written text may have. */
  readonly maxNewTokens: number;
  /** Translations: the keys of the language that is read and of the one that is written; left out, the first two. */
  readonly sourceLanguage?: string | undefined;
  readonly targetLanguage?: string | undefined;
}

/** As transformers' scripts for translation and summarising. */
const usualTargetLength = 128;

const usual: RewritingFacts = { prefix: '', maxTargetLength: usualTargetLength, maxNewTokens: usualTargetLength };

const languages = { sourceLanguage: z.string().min(1).optional(), targetLanguage: z.string().min(1).optional() };

/** Metrics that come of reading the references; the others need texts to be written. */
const readMetrics: readonly MetricName[] = ['loss', 'perplexity', 'log_likelihood'];
const usualMetrics: readonly MetricName[] = ['loss', 'perplexity'];
const further: readonly MetricName[] = ['log_likelihood', 'rouge1', 'rouge2', 'rougeL', 'bleu', 'exact_match'];

/** Texts that a model of two halves writes while it reads others: translations, summaries. */
export const seq2seq = defineKind<WrittenPrediction>({
  name: 'seq2seq',
  columns: {
    text: usualPairs.map(([source]) => source),
    label: usualPairs.map(([, target]) => target),
    pair: [],
    together: usualPairs,
    inOtherForms: true,
  },
  keys: ['prefix', 'maxTargetLength', 'maxNewTokens', 'sourceLanguage', 'targetLanguage'],
  terms: ownKeys(
    z.object({
      prefix: z.string().optional(),
      maxTargetLength: z.int().min(2).optional(),
      ...newTokensShape,
      ...languages,
    }),
  ),
  facts: ownKeys(
    z.object({
      rewriting: z
        .strictObject({
          prefix: z.string(),
          maxTargetLength: z.int().min(2),
          maxNewTokens: z.int().positive(),
          ...languages,
        })
        .optional(),
    }),
  ),
  ownFacts: ['rewriting'],
  factsOf: ({ prefix, maxTargetLength = usualTargetLength, maxNewTokens, ...terms }) => ({
    rewriting: {
      prefix: prefix ?? usual.prefix,
      maxTargetLength,
      maxNewTokens: maxNewTokens ?? maxTargetLength,
      ...languagesOf(terms),
    },
  }),
  async factsOfRun({ prefix, maxTargetLength }, task, before) {
    const described = before?.rewriting ?? rewritingOf(task);
    return {
      rewriting: {
        ...described,
        ...(prefix === undefined ? {} : { prefix }),
        ...(maxTargetLength === undefined ? {} : { maxTargetLength, maxNewTokens: maxTargetLength }),
      },
    };
  },
  metrics: () => ({ usual: usualMetrics, further, onRequest: further }),

  recognises: holdsPairs,
  inColumns: (table, task, terms) =>
    inTwoColumns(table, task.columns, { ...languagesOf(task.rewriting ?? {}), ...languagesOf(terms ?? {}) }),
  example({ columns }, row, where) {
    const texts = textsOfRow({ text: columns.text, label: columns.label }, row, where);
    const cell = cellOf(row, columns.label);
    return isEmpty(cell) ? texts : { ...texts, references: textsOf(cell, where) };
  },
  isLabelled: ({ references }) => references !== undefined,
  unlabelled: 'the text to write is empty. Write one or remove the row',
  labelCounts: () => ({}),

  taskType: 'SEQ_2_SEQ_LM',
  insteadFor(heads) {
    if (heads.includes('SEQ_2_SEQ_LM')) return undefined;
    throw usageError(
      'The rows are texts to read and texts to write, and this model is not of two halves, as T5 is. Take one that is; for a ' +
        'causal model call the columns prompt and completion, or say how a text is asked for in a task file (kind: language).',
    );
  },
  outputs: () => 0,
  settings: ['prefix', 'maxTargetLength'],
  objective(changes) {
    refuseLossChanges(changes);
    return languageObjective;
  },
  async sequenceLengths({ tokenizer }, task, examples, { signal }) {
    const { prefix } = rewritingOf(task);
    return mapInTurns(examples, ({ text }) => tokenizer.encode(prefix + text).ids.length, signal);
  },
  encode: (opened, task, examples, options) => writingSequences(opened, examples, { ...options, ...rewritingOf(task) }),
  async scorer(opened, task, examples, options) {
    const { prefix, maxNewTokens } = rewritingOf(task);
    const reads = task.metrics.some((name) => readMetrics.includes(name));
    const writes = task.metrics.some((name) => !readMetrics.includes(name));
    const sequences = reads ? await seq2seq.encode(opened, task, examples, options) : [];
    const quiet = reads ? { ...options, warn: () => {} } : options;
    const sources = writes ? await sourcesOf(opened, examples, { ...quiet, prefix }) : [];
    const references = writes ? referencesOf(examples) : [];
    return {
      async open({ opened, plan, parameters }, { threads }) {
        const { model } = opened;
        const reader = reads ? await openLikelihoods(model, { plan, parameters }, { threads }) : undefined;
        const writer = writes ? await openTextWriter(model, { plan, parameters, threads }) : undefined;
        return {
          async score(options) {
            const rounds = inRounds(Number(reads) + Number(writes), examples.length, options);
            const each = { ...options, onDone: rounds.onDone };
            const found: Partial<Record<MetricName, readonly (readonly number[])[]>> = {};
            if (reader !== undefined) {
              const scores = await reader.each(sequences, { ...each, onBatch: each.onDone });
              const added = scores.map(({ logLikelihood, tokens }) => [logLikelihood, tokens]);
              for (const name of readMetrics) found[name] = added;
              rounds.next();
            }
            if (writer !== undefined) {
              const ids = sources.map(({ inputIds }) => Array.from(inputIds));
              const written = await writeTexts(writer, opened, ids, maxNewTokens, each);
              Object.assign(found, writtenStatistics(task.metrics, undefined, references, written));
            }
            return scoredSums(task.metrics, found, 'texts that are written anew');
          },
          async release() {
            await reader?.release();
            await writer?.release();
          },
        };
      },
    };
  },
  async answerer({ opened, plan, parameters }, { threads }) {
    const writer = await openTextWriter(opened.model, { plan, parameters, threads });
    return {
      async answer(task, examples, options) {
        const { prefix, maxNewTokens } = rewritingOf(task);
        const sources = await sourcesOf(opened, examples, { ...options, prefix });
        const ids = sources.map(({ inputIds }) => Array.from(inputIds));
        const written = await writeTexts(writer, opened, ids, maxNewTokens, options);
        return written.map((text): WrittenPrediction => ({ text }));
      },
      release: writer.release,
    };
  },

  ownHead: {
    fits: ({ config }) => isClass(config, /ForConditionalGeneration$/),
    taskType: 'SEQ_2_SEQ_LM',
    open: answeringAs((): Kind => seq2seq, usualMetrics),
  },

  line: ({ text }) => text,
  describe: () => ['answers', 'texts that are written anew'],
  card: () => ({
    pipeline: 'text2text-generation',
    model: 'AutoModelForSeq2SeqLM',
    line: 'text = tokenizer.decode(model.generate(**tokenizer("a text", return_tensors="pt"), max_new_tokens=128)[0], skip_special_tokens=True)',
  }),
  headConfig: () => ({}),
  fromHead: ({ taskType }) =>
    taskType !== 'SEQ_2_SEQ_LM'
      ? undefined
      : { labels: [], columns: named, metrics: [...usualMetrics], rewriting: usual },
});

const named = { text: 'source', label: 'target' };

/** Of a task that was described without, as it is usual. */
function rewritingOf({ rewriting }: KindFacts): RewritingFacts {
  return rewriting ?? usual;
}

function languagesOf({ sourceLanguage, targetLanguage }: Pick<KindTerms, 'sourceLanguage' | 'targetLanguage'>) {
  return {
    ...(sourceLanguage === undefined ? {} : { sourceLanguage }),
    ...(targetLanguage === undefined ? {} : { targetLanguage }),
  };
}

async function writeTexts(
  writer: TextWriter,
  opened: OpenedModel,
  sources: readonly (readonly number[])[],
  maxNewTokens: number,
  { signal, onDone }: Pick<ScoreOptions, 'signal' | 'onDone'>,
): Promise<string[]> {
  const { tokenizer } = opened;
  const { eosTokenId } = tokenizer;
  const stopTokenIds = [...new Set([...(await stopIds(opened)), ...(eosTokenId === undefined ? [] : [eosTokenId])])];
  const written = await writer.write(sources, { maxNewTokens, stopTokenIds, signal, onDone });
  return written.map(({ ids }) => tokenizer.decode(ids, { skipSpecialTokens: true }).trim());
}
