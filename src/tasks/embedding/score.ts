import type { Example } from '../../data/types.js';
import { DiffoError } from '../../errors.js';
import { openPredictor } from '../../infer/predictLogits.js';
import type { MetricName } from '../../metrics/names.js';
import { emptyScores, rowScore } from '../../metrics/ofRows.js';
import { type RankedQuery, type RankingMetric, rankingMetrics, rankingScores } from '../../metrics/ranking.js';
import type { OpenedModel } from '../../models/loading/withHead.js';
import type { EncodeOptions, Scored, Scorer } from '../kinds/kind.js';
import { scoredSums } from '../kinds/scoredSums.js';
import type { Form } from './forms.js';
import { askedText, DistinctTexts, type Prompts, passageText } from './texts.js';

/** What is scored. */
export interface ScoredTexts {
  readonly form: Form;
  readonly prompts: Prompts;
  readonly metrics: readonly MetricName[];
}

/**
 * Scores vectors of labelled examples. Pairs: each query finds its passages among those of all examples and their negatives.
 * Scores: the cosine of each pair. Classes: each text finds those of its class among the others.
 * @throws DiffoError for an example without a label
 */
export async function textScorer(
  { tokenizer }: OpenedModel,
  { form, prompts, metrics }: ScoredTexts,
  examples: readonly Example[],
  options: EncodeOptions,
): Promise<Scorer> {
  const distinct = new DistinctTexts();
  const read = readers[form](examples, distinct, prompts);
  const encoded = await distinct.encode(tokenizer, options);
  return {
    async open({ opened, plan, parameters }, computing) {
      const predictor = await openPredictor(opened.model, plan, parameters, computing);
      return {
        async score({ signal, onDone }) {
          const onBatch = (done: number, tokens: number) =>
            onDone?.(Math.floor((examples.length * done) / encoded.length), tokens);
          const vectors = (await predictor.each(encoded, { signal, onBatch })).map(unit);
          return read(vectors, metrics);
        },
        release: predictor.release,
      };
    },
  };
}

/** What is made of the vectors of all texts, of length 1. */
type Reading = (vectors: readonly Float32Array[], metrics: readonly MetricName[]) => Scored;

const readers: Readonly<
  Record<Form, (examples: readonly Example[], distinct: DistinctTexts, prompts: Prompts) => Reading>
> = {
  pairs(examples, distinct, prompts) {
    const queries = examples.map((example) => distinct.numberOf(askedText(example, prompts)));
    const passages = new DistinctTexts();
    const found = new Map<number, Set<number>>();
    for (const [i, { id, pair, negatives = [] }] of examples.entries()) {
      if (pair === undefined) throw unlabelled(id);
      const relevant = found.get(queries[i]!) ?? new Set<number>();
      found.set(queries[i]!, relevant.add(passages.numberOf(passageText(pair, prompts))));
      for (const negative of negatives) passages.numberOf(passageText(negative, prompts));
    }
    const corpus = passages.texts.map((text) => distinct.numberOf(text));
    return (vectors, metrics) =>
      ofRankings(
        queries.map((query) => ({
          scores: corpus.map((passage) => dot(vectors[query]!, vectors[passage]!)),
          relevant: found.get(query)!,
        })),
        metrics,
      );
  },

  scores(examples, distinct, prompts) {
    const pairs = examples.map((example) => {
      if (example.pair === undefined || example.label === undefined) throw unlabelled(example.id);
      return [
        distinct.numberOf(askedText(example, prompts)),
        distinct.numberOf(passageText(example.pair, prompts)),
      ] as const;
    });
    const expected = examples.map(({ label }) => label!);
    return (vectors, metrics) => {
      const predicted = Float32Array.from(pairs, ([a, b]) => dot(vectors[a]!, vectors[b]!));
      const scores = Object.fromEntries(metrics.map((name) => [name, rowScore(name, predicted, expected, 1)]));
      const warnings = emptyScores(metrics, predicted, expected, (score) => score.toPrecision(4));
      return { scores, predicted, warnings };
    };
  },

  classes(examples, distinct, prompts) {
    const texts = examples.map((example) => distinct.numberOf(askedText(example, prompts)));
    const members = new Map<string, number[]>();
    for (const [i, { id, className }] of examples.entries()) {
      if (className === undefined) throw unlabelled(id);
      members.set(className, [...(members.get(className) ?? []), i]);
    }
    const alone = [...members.values()].filter(({ length }) => length === 1).length;
    return (vectors, metrics) => {
      const scored = ofRankings(
        examples.map(({ className }, i) => ({
          scores: texts.map((text) => dot(vectors[texts[i]!]!, vectors[text]!)),
          relevant: new Set(members.get(className!)!.filter((one) => one !== i)),
          without: i,
        })),
        metrics,
      );
      const warning = `${alone} of the classes have one text here, which finds no other of its class and counts for nothing.`;
      return alone === 0 ? scored : { ...scored, warnings: [warning] };
    };
  },
};

function ofRankings(queries: readonly RankedQuery[], metrics: readonly MetricName[]): Scored {
  const each = queries.map((query) => (query.relevant.size === 0 ? undefined : rankingScores(query)));
  // What has nothing to find has no share in the mean.
  const added = (name: RankingMetric) => each.map((one) => (one === undefined ? [0, 0] : [one[name], 1]));
  const found = Object.fromEntries(rankingMetrics.map((name) => [name, added(name)]));
  return scoredSums(metrics, found, 'rankings');
}

const unlabelled = (id: string) =>
  new DiffoError(`Row ${id} has nothing to score by: no passage, score or class. Add it or remove the row.`);

function unit(vector: Float32Array): Float32Array {
  const norm = Math.max(Math.hypot(...vector), 1e-12);
  return vector.map((value) => value / norm);
}

function dot(a: Float32Array, b: Float32Array): number {
  let sum = 0;
  for (let i = 0; i < a.length; i++) sum += a[i]! * b[i]!;
  return sum;
}
