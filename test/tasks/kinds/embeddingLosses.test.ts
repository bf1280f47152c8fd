import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import type { EncodedExample } from '../../../src/engine/batch.js';
import { grad, input } from '../../../src/graph/index.js';
import { averagePrecision, pearson, spearman } from '../../../src/metrics/metrics.js';
import { rankingScores } from '../../../src/metrics/ranking.js';
import { openSession } from '../../../src/runtime/session.js';
import { type VectorLossName, vectorObjective } from '../../../src/tasks/embedding/losses.js';
import { expectClose } from '../../fixtures.js';

interface Fixture {
  readonly width: number;
  readonly cases: readonly {
    readonly loss: VectorLossName;
    readonly columns: number;
    readonly examples: number;
    readonly labels: readonly number[] | null;
    readonly widths: readonly number[];
    readonly options: { readonly scale?: number; readonly margin?: number };
    readonly vectors: readonly number[];
    readonly value: number;
    readonly gradient: readonly number[];
  }[];
  readonly retrieval: {
    readonly queries: Readonly<Record<string, readonly number[]>>;
    readonly corpus: Readonly<Record<string, readonly number[]>>;
    readonly relevant: Readonly<Record<string, readonly string[]>>;
    readonly scores: Readonly<Record<string, number>>;
  };
  readonly similarity: {
    readonly pairs: readonly (readonly [string, string, number])[];
    readonly vectors: Readonly<Record<string, readonly number[]>>;
    readonly scores: Readonly<Record<'spearman' | 'pearson', number>>;
    readonly near: readonly number[];
    readonly coarse: readonly number[];
    readonly averagePrecision: number;
  };
}

// Made by sentence-transformers: test/oracle/embedding_fixture.py.
const fixture: Fixture = JSON.parse(readFileSync(new URL('./fixtures/embedding.json', import.meta.url), 'utf8'));

const text = (label: number | undefined, further: readonly EncodedExample[] = []): EncodedExample => ({
  inputIds: Int32Array.of(1),
  tokenTypeIds: Int32Array.of(0),
  label,
  index: 0,
  ...(further.length === 0 ? {} : { further }),
});

describe('losses and gradients are those of sentence-transformers', () => {
  it.each(fixture.cases.map((one, i) => [`${i + 1} ${one.loss} ${JSON.stringify(one.options)} ${one.widths}`, one]))(
    '%s',
    async (_, { loss: name, columns, examples, labels, widths, options, vectors, value, gradient }) => {
      const objective = vectorObjective(name, options, widths);
      const x = input('x', 'float32', ['batch', fixture.width]);
      const loss = objective.loss(x);
      const session = await openSession({ loss, slope: grad(loss, [x])[0]! }, { threads: 1 });
      const further = Array.from({ length: columns - 1 }, () => text(undefined));
      const batch = Array.from({ length: examples }, (_, i) => text(labels?.[i], further));
      const given = objective.labels(batch, 1)!;
      const got = await session.run({
        x: { data: Float32Array.from(vectors), shape: [columns * examples, fixture.width] },
        labels: { data: given.data, shape: given.shape },
      });
      expectClose('loss', got.loss!.data as Float32Array, [value], { relative: 1e-5, floor: 1e-6 });
      expectClose('gradient', got.slope!.data as Float32Array, gradient, { relative: 1e-5, floor: 1e-5 });
      await session.release();
    },
  );
});

/** Cosines, so that lengths count for nothing. */
function cosine(a: readonly number[], b: readonly number[]): number {
  const dot = a.reduce((sum, one, i) => sum + one * b[i]!, 0);
  return dot / (Math.hypot(...a) * Math.hypot(...b));
}

it('metrics of rankings are those of its InformationRetrievalEvaluator', () => {
  const { queries, corpus, relevant, scores } = fixture.retrieval;
  const names = Object.keys(corpus);
  const each = Object.entries(queries).map(([query, vector]) =>
    rankingScores({
      scores: names.map((name) => cosine(vector, corpus[name]!)),
      relevant: new Set(relevant[query]!.map((name) => names.indexOf(name))),
    }),
  );
  for (const [name, value] of Object.entries(scores)) {
    const mean = each.reduce((sum, one) => sum + one[name as keyof typeof one], 0) / each.length;
    expect(mean, name).toBeCloseTo(value, 10);
  }
});

it('finds the earlier of equals first, and never what is left out', () => {
  const scores = [1, 1, 0.5, 1];
  expect(rankingScores({ scores, relevant: new Set([1]) }).mrr_at_10).toBe(1 / 2);
  expect(rankingScores({ scores, relevant: new Set([1]), without: 0 }).mrr_at_10).toBe(1);
});

it('correlations are those of its EmbeddingSimilarityEvaluator, average precision is that of scikit-learn', () => {
  const { pairs, vectors, scores, near, coarse, averagePrecision: expected } = fixture.similarity;
  const cosines = pairs.map(([a, b]) => cosine(vectors[a]!, vectors[b]!));
  const given = pairs.map(([, , score]) => score);
  expect(spearman(cosines, given)).toBeCloseTo(scores.spearman, 6);
  expect(pearson(cosines, given)).toBeCloseTo(scores.pearson, 6);
  expect(averagePrecision(coarse, near)).toBeCloseTo(expected, 10);
});
