import type { Example } from '../../data/types.js';
import type { EncodedExample } from '../../engine/batch.js';
import { DiffoError } from '../../errors.js';
import { openPredictor } from '../../infer/predictLogits.js';
import type { Computing } from '../../infer/sharedOut.js';
import type { MetricName } from '../../metrics/names.js';
import { rerankingMetrics, rerankingScores } from '../../metrics/reranking.js';
import type { OpenedModel } from '../../models/loading/withHead.js';
import type { Tokenizer } from '../../tokenize/index.js';
import { encodeSplit } from '../encoding/encodeTexts.js';
import type { Adapted, EncodeOptions, Scored, ScoreOptions, Scorer } from '../kinds/kind.js';
import { scoredSums } from '../kinds/scoredSums.js';
import { candidatesOf } from './forms.js';

/** Every query beside each of its candidates, [examples][candidates]; labels are relevances, `index` the example's. */
export async function encodedCandidates(
  tokenizer: Tokenizer,
  examples: readonly Example[],
  options: EncodeOptions,
): Promise<EncodedExample[][]> {
  const pairs = examples.flatMap((example) =>
    candidatesOf(example).map(({ text: pair, relevance }): Example => {
      const { id, text } = example;
      return { id, text, pair, ...(relevance === undefined ? {} : { label: relevance }) };
    }),
  );
  const encoded = await encodeSplit(tokenizer, pairs, options, 'pairs of query and passage');
  let next = 0;
  return examples.map((example, index) => candidatesOf(example).map(() => ({ ...encoded[next++]!, index })));
}

/** What gives the scores of candidates. */
export interface CandidateRanker {
  /** Outputs of each example's candidates, before the sigmoid. */
  logits(encoded: readonly (readonly EncodedExample[])[], options: ScoreOptions): Promise<Float32Array[]>;
  release(): Promise<void>;
}

export async function openRanker(
  { opened, plan, parameters }: Adapted,
  computing: Computing,
): Promise<CandidateRanker> {
  const predictor = await openPredictor(opened.model, plan, parameters, computing);
  return {
    async logits(encoded, { signal, onDone }) {
      const pairs = encoded.flat();
      const onBatch = (done: number, tokens: number) =>
        onDone?.(Math.floor((encoded.length * done) / pairs.length), tokens);
      const each = await predictor.each(pairs, { signal, onBatch });
      let next = 0;
      return encoded.map((own) => Float32Array.from(own, () => each[next++]![0]!));
    },
    release: predictor.release,
  };
}

/**
 * Scores the ranking of each query's candidates.
 * @throws DiffoError for a candidate whose relevance is not known
 */
export async function candidateScorer(
  { tokenizer }: OpenedModel,
  metrics: readonly MetricName[],
  examples: readonly Example[],
  options: EncodeOptions,
): Promise<Scorer> {
  const relevances = examples.map((example) =>
    candidatesOf(example).map(({ relevance }) => {
      if (relevance !== undefined) return relevance;
      throw new DiffoError(`Row ${example.id} has no score to rank by. Add it or remove the row.`);
    }),
  );
  const encoded = await encodedCandidates(tokenizer, examples, options);
  return {
    async open(adapted, computing) {
      const ranker = await openRanker(adapted, computing);
      return {
        async score(scoring) {
          const logits = await ranker.logits(encoded, scoring);
          return scored(logits, relevances, metrics);
        },
        release: ranker.release,
      };
    },
  };
}

function scored(
  logits: readonly Float32Array[],
  relevances: readonly (readonly number[])[],
  metrics: readonly MetricName[],
): Scored {
  const each = relevances.map((relevance, i) => rerankingScores({ scores: logits[i]!, relevance }));
  const found = Object.fromEntries(rerankingMetrics.map((name) => [name, each.map((one) => [one[name]])]));
  const alone = relevances.filter((one) => new Set(one).size === 1).length;
  const of = `${alone} of ${relevances.length} queries`;
  const warnings =
    alone === 0
      ? []
      : [`${of} have candidates of one relevance alone, whose order no metric tells apart. Give them others.`];
  return { ...scoredSums(metrics, found, 'rankings'), warnings };
}
