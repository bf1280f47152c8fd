import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import type { EncodedExample } from '../../../src/engine/batch.js';
import { collate, rowsOf } from '../../../src/engine/batching.js';
import { grad, input } from '../../../src/graph/index.js';
import { rerankingScores } from '../../../src/metrics/reranking.js';
import { openSession } from '../../../src/runtime/session.js';
import { type RankingLossName, rankingObjective } from '../../../src/tasks/reranking/losses.js';
import { expectClose } from '../../fixtures.js';

interface Fixture {
  readonly cases: readonly {
    readonly loss: RankingLossName;
    readonly relevances: readonly (readonly number[])[];
    /** Of all candidates, query by query. */
    readonly logits: readonly number[];
    readonly value: number;
    readonly gradient: readonly number[];
  }[];
  readonly rankings: {
    readonly queries: readonly { readonly scores: readonly number[]; readonly relevance: readonly number[] }[];
    readonly scores: Readonly<Record<'ndcg_at_10' | 'mrr_at_10' | 'map', number>>;
  };
  readonly graded: readonly {
    readonly scores: readonly number[];
    readonly relevance: readonly number[];
    readonly ndcg_at_10: number;
  }[];
}

// Made by sentence-transformers: test/oracle/reranker_fixture.py.
const fixture: Fixture = JSON.parse(readFileSync(new URL('./fixtures/reranker.json', import.meta.url), 'utf8'));

/** Queries with candidates of these relevances, each candidate with its place among all of them as its one token. */
function queriesOf(relevances: readonly (readonly number[])[]): EncodedExample[] {
  let next = 0;
  return relevances.map((own, index) => {
    const [first, ...further] = own.map(
      (label): EncodedExample => ({
        inputIds: Int32Array.of(next++),
        tokenTypeIds: Int32Array.of(0),
        label,
        index,
      }),
    );
    return { ...first!, ...(further.length === 0 ? {} : { further }) };
  });
}

async function run(name: RankingLossName, examples: readonly EncodedExample[], logits: readonly number[]) {
  const objective = rankingObjective(name);
  const x = input('x', 'float32', ['batch', 1]);
  const loss = objective.loss(x);
  const session = await openSession({ loss, slope: grad(loss, [x])[0]! }, { threads: 1 });
  const places = rowsOf(examples).map(({ inputIds }) => inputIds[0]!);
  const { data, shape } = objective.labels(examples, 1)!;
  const got = await session.run({
    x: { data: Float32Array.from(places, (place) => logits[place]!), shape: [places.length, 1] },
    labels: { data, shape },
  });
  await session.release();
  const gradient = new Float32Array(logits.length);
  for (const [row, place] of places.entries()) gradient[place] = (got.slope!.data as Float32Array)[row]!;
  return { value: Number(got.loss!.data[0]), gradient, weight: objective.weight(collate(examples, 0, objective)) };
}

describe('losses and gradients are those of sentence-transformers', () => {
  it.each(fixture.cases.map((one, i) => [`${i + 1} ${one.loss} ${JSON.stringify(one.relevances)}`, one] as const))(
    '%s',
    async (_, { loss, relevances, logits, value, gradient }) => {
      const got = await run(loss, queriesOf(relevances), logits);
      expectClose('loss', [got.value], [value], { relative: 1e-5, floor: 1e-6 });
      expectClose('gradient', got.gradient, gradient, { relative: 1e-5, floor: 1e-6 });
    },
  );

  it.each(['BinaryCrossEntropyLoss', 'RankNetLoss', 'LambdaLoss', 'ListNetLoss'] as const)(
    '%s of a batch is the mean of its parts by their weights, so that it may be cut between queries',
    async (name) => {
      const { relevances, logits } = fixture.cases.find(({ relevances: own }) => own.length === 3)!;
      const all = queriesOf(relevances);
      const whole = await run(name, all, logits);
      const parts = [await run(name, all.slice(0, 2), logits), await run(name, all.slice(2), logits)];
      const weights = parts.reduce((sum, { weight }) => sum + weight, 0);
      const mean = (of: (part: (typeof parts)[number]) => number) =>
        parts.reduce((sum, part) => sum + of(part) * part.weight, 0) / weights;
      expect(weights).toBe(whole.weight);
      expect(mean(({ value }) => value)).toBeCloseTo(whole.value, 6);
      for (const i of logits.keys()) expect(mean(({ gradient }) => gradient[i]!)).toBeCloseTo(whole.gradient[i]!, 6);
    },
  );
});

it('metrics of rankings are those of its CrossEncoderRerankingEvaluator', () => {
  const { queries, scores } = fixture.rankings;
  for (const name of ['ndcg_at_10', 'mrr_at_10', 'map'] as const) {
    const mean = queries.reduce((sum, query) => sum + rerankingScores(query)[name], 0) / queries.length;
    expect(mean).toBeCloseTo(scores[name], 12);
  }
});

it('gains of nDCG are the degrees of relevance, and candidates of one score share their places, as in scikit-learn', () => {
  for (const { ndcg_at_10, ...query } of fixture.graded) {
    expect(rerankingScores(query).ndcg_at_10).toBeCloseTo(ndcg_at_10, 12);
  }
});
