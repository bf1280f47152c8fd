import * as z from 'zod';
import { cellOf, shownCell } from '../../data/readers/table.js';
import { labelledRows } from '../../engine/labels.js';
import type { Objective } from '../../engine/objective.js';
import { DiffoError } from '../../errors.js';
import { input, ops } from '../../graph/index.js';
import { openDecoder } from '../../infer/decoder.js';
import { openLikelihoods } from '../../infer/likelihood.js';
import type { MetricName } from '../../metrics/names.js';
import { withChoices } from '../choices.js';
import { spacedPrompt } from '../encoding/prompt.js';
import { promptLengths, promptSequences } from '../encoding/prompts.js';
import { newTokensShape } from '../newTokens.js';
import { ownKeys } from '../ownKeys.js';
import { isEmpty, textsOfRow } from '../rows.js';
import { defineKind, type Generation } from './kind.js';
import { refuseLossChanges } from './perRow.js';
import { inRounds } from './rounds.js';
import { savedCausalHead } from './savedCausalHead.js';
import { scoredSums } from './scoredSums.js';
import { type WrittenPrediction, writtenAnswer } from './writtenAnswer.js';
import {
  chosenRight,
  endTokenId,
  generationOf,
  promptsOf,
  questionsOf,
  referencesOf,
  writeAll,
  writtenStatistics,
} from './writtenTexts.js';

export type { WrittenPrediction };

declare module './kind.js' {
  interface KindTerms {
    /** What of a task's `Generation` is not as usual. */
    readonly prompt?: string | undefined;
    readonly answer?: string | undefined;
    readonly maxNewTokens?: number | undefined;
  }
  interface Predictions {
    readonly written: WrittenPrediction;
  }
}

/** How a task of one's own asks, where it does not say: the answer is the line after the text. */
const usualGeneration: Generation = { prompt: '{text}\n', maxNewTokens: 64 };

/** How a metric of texts comes about. */
const ways: Readonly<Partial<Record<MetricName, 'choose' | 'write' | 'read'>>> = {
  accuracy: 'choose',
  generated_accuracy: 'write',
  exact_match: 'write',
  bleu: 'write',
  nist: 'write',
  rouge_l: 'write',
  log_likelihood: 'read',
  perplexity: 'read',
};

/** Cross-entropy of the next token at the labelled positions, whose logits alone are computed. */
export const languageObjective: Objective = {
  labels: labelledRows,
  reads: 'rows',
  parts: 'apart',
  weight: ({ labels }) => labels!.rows!.length,
  loss: (logits) =>
    ops.mean(ops.crossEntropy(logits, input('labels', 'int64', ['rows'])), { axes: [0], keepDims: false }),
};

/** How a text is asked for, in task.json. */
export const generationFacts = z
  .strictObject({
    prompt: z.string(),
    lead: z.string().optional(),
    maxNewTokens: z.int().positive(),
    answer: z.string().optional(),
  })
  .optional();

/** Texts that a causal model writes. */
export const language = defineKind<WrittenPrediction>({
  name: 'language',
  keys: ['prompt', 'answer', 'maxNewTokens', 'choices'],
  terms: ownKeys(
    z.object({
      prompt: z
        .string()
        .refine((prompt) => prompt.includes('{text}'), 'it does not hold {text}, where the text of a row belongs')
        .optional(),
      answer: z.string().superRefine(refuseBadExpression).optional(),
      ...newTokensShape,
    }),
  ),
  facts: ownKeys(z.object({ generation: generationFacts })),
  factsOf({ prompt, maxNewTokens, answer }) {
    return {
      generation: spacedPrompt({
        prompt: prompt ?? usualGeneration.prompt,
        maxNewTokens: maxNewTokens ?? usualGeneration.maxNewTokens,
        ...(answer === undefined ? {} : { answer }),
      }),
    };
  },
  metrics: ({ choices }) =>
    choices === undefined
      ? {
          usual: ['log_likelihood', 'perplexity'],
          further: ['exact_match', 'bleu', 'nist', 'rouge_l'],
          of: 'language task without choices',
        }
      : {
          usual: ['accuracy', 'log_likelihood', 'perplexity'],
          further: ['generated_accuracy', 'exact_match', 'bleu', 'nist', 'rouge_l'],
          of: 'language task with choices',
        },

  example({ columns }, row, where) {
    const texts = textsOfRow(columns, row, where);
    const cell = cellOf(row, columns.label);
    if (isEmpty(cell)) return texts;
    const example = { ...texts, references: textsOf(cell, where) };
    return columns.choices === undefined ? example : withChoices(example, cellOf(row, columns.choices), where);
  },
  isLabelled: ({ references }) => references !== undefined,
  labelCounts: () => ({}),

  taskType: 'CAUSAL_LM',
  outputs: () => 0,
  objective(changes) {
    refuseLossChanges(changes);
    return languageObjective;
  },
  sequenceLengths: async (opened, task, examples, { signal }) =>
    promptLengths(opened.tokenizer, examples, {
      generation: generationOf(task),
      endTokenId: await endTokenId(opened),
      signal,
    }),
  encode: async (opened, task, examples, options) =>
    promptSequences(opened.tokenizer, examples, {
      ...options,
      generation: generationOf(task),
      endTokenId: await endTokenId(opened),
    }),
  async scorer(opened, task, examples, encoding) {
    const needs = new Set(task.metrics.map((name) => ways[name]));
    const sequences = needs.has('read') ? await language.encode(opened, task, examples, encoding) : [];
    const questions = needs.has('choose') ? await questionsOf(opened, task, examples, encoding) : [];
    const prompts = needs.has('write') ? await promptsOf(opened, task, examples, encoding) : [];
    const references = needs.has('write') ? referencesOf(examples) : [];
    return {
      async open({ opened, plan, parameters }, computing) {
        const { model } = opened;
        const reader = needs.has('read') ? await openLikelihoods(model, { plan, parameters }, computing) : undefined;
        const decodes = needs.has('choose') || needs.has('write');
        const decoder = decodes
          ? await openDecoder(model, { plan, parameters, threads: computing.threads })
          : undefined;
        return {
          async score(options) {
            const rounds = inRounds(needs.size, examples.length, options);
            const each = { ...options, onDone: rounds.onDone, ranks: computing.ranks };
            const found: Partial<Record<MetricName, readonly (readonly number[])[]>> = {};
            if (reader !== undefined) {
              const scores = await reader.each(sequences, { ...each, onBatch: each.onDone });
              found.log_likelihood = scores.map(({ logLikelihood, tokens }) => [logLikelihood, tokens]);
              found.perplexity = found.log_likelihood;
              rounds.next();
            }
            if (needs.has('choose')) {
              found.accuracy = await chosenRight(decoder!, questions, each);
              rounds.next();
            }
            if (needs.has('write')) {
              const written = await writeAll(decoder!, opened, task, prompts, each);
              Object.assign(found, writtenStatistics(task.metrics, generationOf(task).answer, references, written));
            }
            return scoredSums(task.metrics, found, 'texts');
          },
          async release() {
            await reader?.release();
            await decoder?.release();
          },
        };
      },
    };
  },
  async answerer({ opened, plan, parameters }, { threads }) {
    const decoder = await openDecoder(opened.model, { plan, parameters, threads });
    return {
      async answer(task, examples, options) {
        const { answer } = generationOf(task);
        const prompts = await promptsOf(opened, task, examples, options);
        const written = await writeAll(decoder, opened, task, prompts, options);
        return written.map(
          (text): WrittenPrediction =>
            answer === undefined ? { text: text.trim() } : { text: text.trim(), answer: writtenAnswer(text, answer) },
        );
      },
      release: decoder.release,
    };
  },

  ownHead: savedCausalHead,

  line: ({ text }) => text,
  describe: () => ['answers', 'texts'],
  card: () => ({
    pipeline: 'text-generation',
    model: 'AutoModelForCausalLM',
    line: 'text = tokenizer.decode(model.generate(**tokenizer("a prompt", return_tensors="pt"), max_new_tokens=64)[0])',
  }),
  headConfig: () => ({}),
  fromHead: ({ taskType }) =>
    taskType !== 'CAUSAL_LM'
      ? undefined
      : {
          labels: [],
          columns: { text: 'text', label: 'label' },
          metrics: ['log_likelihood', 'perplexity'],
          generation: { prompt: '{text}', maxNewTokens: 128 },
        },
});

/** The text that is to be written, or a list of those that count as right. */
export function textsOf(cell: unknown, where: string): string[] {
  const texts = Array.isArray(cell) ? cell : [cell];
  if (texts.length > 0 && !texts.some((text) => typeof text === 'object' || isEmpty(text))) return texts.map(String);
  throw new DiffoError(`${where}: ${shownCell(cell, 40)} is no text to be written. Write one, or a list of texts.`);
}

function refuseBadExpression(answer: string, context: z.RefinementCtx<string>): void {
  try {
    new RegExp(answer);
  } catch (error) {
    context.addIssue(error instanceof Error ? error.message : String(error));
  }
}
