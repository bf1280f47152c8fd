import type { AdapterPlan } from '../adapters/plan.js';
import type { EncodedExample } from '../engine/batch.js';
import { collate, evaluationBatches, tokensOf } from '../engine/batching.js';
import { IGNORED_LABEL, labelledRows } from '../engine/labels.js';
import { batchFeeds } from '../engine/modelGraph.js';
import type { Parameter } from '../engine/parameters.js';
import { openProgram } from '../engine/program.js';
import { DiffoError } from '../errors.js';
import { input, ops } from '../graph/index.js';
import type { FileProgram, Model, TaskType } from '../models/model.js';
import type { Value } from '../runtime/session.js';
import { type PredictOptions, refuseNotFiniteOutput } from './predictLogits.js';
import { type Computing, isOwn } from './sharedOut.js';

/** A text whose tokens from `from` on are to be predicted, each from all before it. */
export interface ScoredSequence {
  readonly ids: readonly number[];
  /** At least 1: nothing predicts the first token. */
  readonly from: number;
}

export interface SequenceScore {
  /** Σ log p(token | tokens before it), natural logarithm. */
  readonly logLikelihood: number;
  /** Tokens in the sum. */
  readonly tokens: number;
}

/**
 * Log-likelihoods of sequences under a causal model, in their order.
 * @throws DiffoError for a model that is not causal, or a sequence with nothing to predict
 */
export async function sequenceLikelihoods(
  model: Model,
  adapted: AdaptedGraph,
  sequences: readonly ScoredSequence[],
  options: PredictOptions,
): Promise<SequenceScore[]> {
  const reader = await openLikelihoods(model, adapted, options);
  return reader.each(sequences.map(asExample), options).finally(reader.release);
}

interface AdaptedGraph {
  readonly plan: AdapterPlan;
  readonly parameters: readonly Parameter[];
}

/** Heads that give a logit for every token of the vocabulary. */
const ofVocabulary: readonly TaskType[] = ['CAUSAL_LM', 'MASKED_LM', 'SEQ_2_SEQ_LM'];

/** A causal model, one of masked tokens, or one that writes what it reads anew, with adapters, compiled to give likelihoods. */
export interface LikelihoodReader {
  /**
   * Log-likelihoods of the labelled tokens of encoded examples, by their index, under the parameters as they are then.
   * The vocabulary's logits stay in the runtime: only one number a token comes out.
   */
  each(examples: readonly EncodedExample[], options: Omit<PredictOptions, keyof Computing>): Promise<SequenceScore[]>;
  release(): Promise<void>;
}

/**
 * Compiles a model of the vocabulary with the adapters of a plan, for however many calls.
 * @throws DiffoError for a model that is none
 */
export async function openLikelihoods(
  model: Model,
  { plan, parameters }: AdaptedGraph,
  { threads, ranks }: Computing,
): Promise<LikelihoodReader> {
  if (!ofVocabulary.includes(model.taskType)) {
    throw new DiffoError(
      `${model.checkpoint.name} is not opened as a causal model, nor as one of masked tokens or of two halves.`,
    );
  }
  const file = await model.file?.logits({ threads });
  const program = file === undefined ? await lossProgram(model, { plan, parameters }, threads) : lossesOf(file);
  return {
    async each(examples, { batchSize = 8, signal, onBatch }) {
      const scores: SequenceScore[] = new Array(examples.length);
      let done = 0;
      let tokensDone = 0;
      for (const [b, batch] of evaluationBatches(examples, { batchSize }).entries()) {
        signal?.throwIfAborted();
        done += batch.length;
        tokensDone += tokensOf(batch);
        if (!isOwn(b, ranks)) continue;
        const collated = collate(batch, model.padTokenId, { labels: labelledRows });
        const values = (await program.run(batchFeeds(collated, true))).losses.data;
        let start = 0;
        for (const { index, tokenLabels } of batch) {
          const tokens = tokenLabels!.reduce((count, label) => count + (label === IGNORED_LABEL ? 0 : 1), 0);
          if (ranks === undefined) refuseNotFiniteOutput(values.subarray(start, start + tokens), index);
          const loss = values.subarray(start, start + tokens).reduce((sum, value) => sum + value, 0);
          scores[index] = { logLikelihood: -loss, tokens };
          start += tokens;
        }
        onBatch?.(done, tokensDone);
      }
      if (ranks !== undefined) {
        const own = Float64Array.from(
          [...scores.entries()].flatMap(([i, one]) => (one === undefined ? [] : [i, one.logLikelihood, one.tokens])),
        );
        for (const { buffer, byteOffset, byteLength } of await ranks.gather(new Uint8Array(own.buffer))) {
          const found = new Float64Array(buffer, byteOffset, byteLength / 8);
          for (let i = 0; i < found.length; i += 3) {
            scores[found[i]!] = { logLikelihood: found[i + 1]!, tokens: found[i + 2]! };
          }
        }
        // All ranks find the same sequence, and fail alike.
        for (const [index, { logLikelihood }] of scores.entries()) refuseNotFiniteOutput([logLikelihood], index);
      }
      return scores;
    },
    release: () => program.release(),
  };
}

function lossProgram(model: Model, adapted: AdaptedGraph, threads: number) {
  return openProgram(model, {
    ...adapted,
    threads,
    outputs({ logits }) {
      const rows = input('rows', 'int64', ['rows']);
      return { losses: ops.crossEntropy(logits(rows), input('labels', 'int64', ['rows'])) };
    },
  });
}

/** Cross-entropy of a file's logits. */
function lossesOf({ run, release }: FileProgram<'logits'>) {
  return {
    async run(feeds: Readonly<Record<string, Value>>) {
      const { data: logits, shape } = (await run(feeds)).logits;
      const [rows, vocabulary] = shape as [number, number];
      const labels = feeds.labels!.data;
      const losses = Float32Array.from({ length: rows }, (_, row) => {
        const own = logits.subarray(row * vocabulary, (row + 1) * vocabulary);
        return logSumExp(own) - own[Number(labels[row])]!;
      });
      return { losses: { data: losses } };
    },
    release,
  };
}

function logSumExp(values: Float32Array): number {
  let highest = Number.NEGATIVE_INFINITY;
  for (const value of values) highest = Math.max(highest, value);
  let sum = 0;
  for (const value of values) sum += Math.exp(value - highest);
  return highest + Math.log(sum);
}

/** exp of the mean negative log-likelihood of all tokens together. */
export function perplexity(scores: readonly SequenceScore[]): number {
  const total = scores.reduce((sum, { logLikelihood }) => sum + logLikelihood, 0);
  return Math.exp(-total / scores.reduce((sum, { tokens }) => sum + tokens, 0));
}

/**
 * Multiple choice: the index of the likeliest continuation of a prompt.
 * @param normalize divide by the number of tokens, so that long choices are not punished (`acc_norm` of lm-evaluation-
 *   harness divides by bytes instead)
 */
export function likeliestChoice(scores: readonly SequenceScore[], { normalize = false } = {}): number {
  const values = scores.map(({ logLikelihood, tokens }) => (normalize ? logLikelihood / tokens : logLikelihood));
  return values.indexOf(Math.max(...values));
}

function asExample({ ids, from }: ScoredSequence, index: number): EncodedExample {
  if (from < 1 || from >= ids.length) {
    throw new DiffoError(
      `Sequence ${index + 1} has ${ids.length} tokens and none to predict from position ${from} on.`,
    );
  }
  const tokenLabels = Int32Array.from(ids, (_, i) =>
    i + 1 >= from && i + 1 < ids.length ? ids[i + 1]! : IGNORED_LABEL,
  );
  return {
    inputIds: Int32Array.from(ids),
    tokenTypeIds: new Int32Array(ids.length),
    tokenLabels,
    label: undefined,
    index,
  };
}
