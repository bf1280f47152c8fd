import type { EncodedExample } from '../../engine/batch.js';
import type { Objective } from '../../engine/objective.js';
import { constant, input, ops, type Shape, type Tensor } from '../../graph/index.js';
import { unitVectors } from '../../models/pooling.js';
import type { Form } from './forms.js';

/** What a loss may be given. */
export interface LossOptions {
  /** What similarities are multiplied by: the inverse of a temperature. */
  readonly scale?: number | undefined;
  /** By how much what does not belong together is to be farther away. */
  readonly margin?: number | undefined;
}

/** A loss of texts' vectors. */
export interface VectorLoss {
  /** The form of the rows that it learns from. */
  readonly form: Form;
  /** Hard negatives of an example: any number, one, or none. */
  readonly negatives: 'any' | 'one' | 'none';
  /** Options by their usual values. */
  readonly usual: LossOptions;
  /** Examples of a batch stand in each other's loss. */
  readonly isJoint: boolean;
  /** Every other text of a batch counts as one that does not belong, so that none may be there twice. */
  readonly isApart?: boolean;
  /** The shape of its labels, `examples` and `candidates` being sizes of a batch. */
  readonly labelled: Shape;
  /** Float32 labels of a batch, row-major. */
  labels(examples: readonly EncodedExample[]): Float32Array;
  /** A scalar, from vectors [batch, width] that lie column by column, and labels. */
  loss(vectors: Tensor, labels: Tensor, options: { readonly scale: number; readonly margin: number }): Tensor;
}

/** The k-th texts of all examples [examples, width]. */
function column(vectors: Tensor, k: number): Tensor {
  const start = ops.cast(ops.scale(ops.size('examples'), k), 'int64');
  return ops.gather(vectors, ops.add(ops.range('examples'), start));
}

/** Σ over the last axis, which goes. */
const rowSums = (x: Tensor) => ops.sum(x, { axes: [1], keepDims: false });
const total = (x: Tensor) => ops.sum(x, { axes: x.shape.map((_, axis) => axis), keepDims: false });
const meanOf = (each: Tensor) => ops.mean(each, { axes: [0], keepDims: false });
const squared = (x: Tensor) => ops.mul(x, x);
const oneMinus = (x: Tensor) => ops.sub(constant(1), x);
/** 1 where the condition holds, else 0. */
const indicator = (condition: Tensor) => ops.where(condition, constant(1), constant(0));

/** Cosines of first and second texts [examples]. */
function cosines(vectors: Tensor): Tensor {
  return rowSums(ops.mul(unitVectors(column(vectors, 0)), unitVectors(column(vectors, 1))));
}

const scores = (examples: readonly EncodedExample[]) => Float32Array.from(examples, ({ label }) => label!);
const anEach: Shape = ['examples'];
const aPair: Shape = ['examples', 'examples'];

/** What keeps an entry out of a sum of exponentials, as sentence-transformers has it. */
const never = -1e12;

/** Added to a norm's differences by torch's `pairwise_distance`. */
const distanceEpsilon = 1e-6;

/** Euclidean distances of rows [examples]. */
function distances(a: Tensor, b: Tensor): Tensor {
  return ops.sqrt(rowSums(squared(ops.add(ops.sub(a, b), constant(distanceEpsilon)))));
}

/**
 * Cross-entropy of the right candidate among all of the batch: −log softmax(scale · cos(qᵢ, dⱼ)), the mean over queries
 * (arXiv 1705.00652, section 4.4; sentence-transformers' MultipleNegativesRankingLoss, directions query_to_doc).
 */
const multipleNegativesRanking: VectorLoss = {
  form: 'pairs',
  negatives: 'any',
  usual: { scale: 20 },
  isJoint: true,
  isApart: true,
  labelled: ['examples', 'candidates'],
  labels(examples) {
    const candidates = examples.length * (examples[0]?.further?.length ?? 1);
    const data = new Float32Array(examples.length * candidates);
    for (const row of examples.keys()) data[row * candidates + row] = 1;
    return data;
  },
  loss(vectors, right, { scale }) {
    const unit = unitVectors(vectors);
    const places = ops.add(ops.range('candidates'), ops.cast(ops.size('examples'), 'int64'));
    const found = ops.matmul(column(unit, 0), ops.gather(unit, places), { transB: true, alpha: scale });
    return ops.neg(ops.div(total(ops.mul(ops.logSoftmax(found), right)), ops.size('examples')));
  },
};

/**
 * log(1 + Σ exp(scale · (cosᵢ − cosⱼ))) over pairs with a lower score for i than for j (Su Jianlin, kexue.fm/archives/8847;
 * sentence-transformers' CoSENTLoss).
 */
const cosent: VectorLoss = {
  form: 'scores',
  negatives: 'none',
  usual: { scale: 20 },
  isJoint: true,
  labelled: aPair,
  labels(examples) {
    const n = examples.length;
    const data = new Float32Array(n * n).fill(never);
    for (const [i, { label: lower }] of examples.entries()) {
      for (const [j, { label: higher }] of examples.entries()) if (lower! < higher!) data[i * n + j] = 0;
    }
    // cos₀ − cos₀ is the 0 of which the exponential is 1.
    data[0] = 0;
    return data;
  },
  loss(vectors, mask, { scale }) {
    const scaled = ops.scale(cosines(vectors), scale);
    const differences = ops.sub(ops.reshape(scaled, ['examples', 1]), ops.reshape(scaled, [1, 'examples']));
    const counted = ops.add(differences, mask);
    const flat = ops.reshape(counted, [1, 'examples*examples']);
    const first = ops.slice(ops.logSoftmax(flat), { axis: 1, start: 0, length: 1 });
    return ops.neg(ops.reshape(first, []));
  },
};

/** (cos − score)² (sentence-transformers' CosineSimilarityLoss). */
const cosineSimilarity: VectorLoss = {
  form: 'scores',
  negatives: 'none',
  usual: {},
  isJoint: false,
  labelled: anEach,
  labels: scores,
  loss: (vectors, near) => meanOf(squared(ops.sub(cosines(vectors), near))),
};

/** ½ (y d² + (1 − y) max(margin − d, 0)²), d = 1 − cos (Hadsell et al. 2006, eq. 4; sentence-transformers' ContrastiveLoss). */
const contrastive: VectorLoss = {
  form: 'scores',
  negatives: 'none',
  usual: { margin: 0.5 },
  isJoint: false,
  labelled: anEach,
  labels: scores,
  loss(vectors, near, { margin }) {
    const distance = oneMinus(cosines(vectors));
    const pulled = ops.mul(near, squared(distance));
    const pushed = ops.mul(oneMinus(near), squared(ops.relu(ops.sub(constant(margin), distance))));
    return ops.scale(meanOf(ops.add(pulled, pushed)), 0.5);
  },
};

/**
 * Σ d² over pairs that belong together and are farther than the nearest that do not, Σ max(margin − d, 0)² over those that do
 * not and are nearer than the farthest that do (sentence-transformers' OnlineContrastiveLoss). Where one side has
 * no pair, the other is compared with its own mean.
 */
const onlineContrastive: VectorLoss = {
  form: 'scores',
  negatives: 'none',
  usual: { margin: 0.5 },
  isJoint: true,
  labelled: anEach,
  labels: scores,
  loss(vectors, near, { margin }) {
    const far = oneMinus(near);
    const distance = oneMinus(cosines(vectors));
    const fixed = ops.stopGradient(distance);
    /** [examples, examples]: 1 where the row's distance is above the column's. */
    const above = indicator(ops.greater(ops.reshape(fixed, ['examples', 1]), ops.reshape(fixed, [1, 'examples'])));
    const counts = { near: total(near), far: total(far) };
    const meanOver = (which: Tensor, count: Tensor) =>
      ops.div(total(ops.mul(which, fixed)), ops.add(count, constant(1e-12)));
    const isAny = (counted: Tensor) => indicator(ops.greater(counted, constant(0.5)));
    const either = (count: Tensor, some: Tensor, none: Tensor) =>
      ops.where(ops.greater(count, constant(0.5)), some, none);
    const perRow = (x: Tensor) => ops.reshape(x, ['examples']);
    const aboveSomeFar = perRow(isAny(ops.matmul(above, ops.reshape(far, ['examples', 1]))));
    const belowSomeNear = perRow(isAny(ops.matmul(above, ops.reshape(near, ['examples', 1]), { transA: true })));
    const hardNear = either(counts.far, aboveSomeFar, indicator(ops.greater(fixed, meanOver(near, counts.near))));
    const hardFar = either(counts.near, belowSomeNear, indicator(ops.greater(meanOver(far, counts.far), fixed)));
    const pulled = ops.mul(ops.mul(near, hardNear), squared(distance));
    const pushed = ops.mul(ops.mul(far, hardFar), squared(ops.relu(ops.sub(constant(margin), distance))));
    return total(ops.add(pulled, pushed));
  },
};

/** max(‖a − p‖ − ‖a − n‖ + margin, 0) (arXiv 1503.03832, eq. 3, without squares; sentence-transformers' TripletLoss). */
const triplet: VectorLoss = {
  form: 'pairs',
  negatives: 'one',
  usual: { margin: 5 },
  isJoint: false,
  labelled: anEach,
  labels: (examples) => new Float32Array(examples.length),
  loss(vectors, zeros, { margin }) {
    const anchor = column(vectors, 0);
    const [near, far] = [distances(anchor, column(vectors, 1)), distances(anchor, column(vectors, 2))];
    // The labels say nothing; what they are for is their size.
    const sized = ops.add(ops.sub(near, far), zeros);
    return meanOf(ops.relu(ops.add(sized, constant(margin))));
  },
};

/**
 * max(‖a − p‖ − ‖a − n‖ + margin, 0) over all triplets of a batch of which a and p are of one class and n of another, the mean
 * of those above 0 (arXiv 1703.07737, eq. 4; sentence-transformers' BatchAllTripletLoss).
 */
const batchAllTriplet: VectorLoss = {
  form: 'classes',
  negatives: 'none',
  usual: { margin: 5 },
  isJoint: true,
  labelled: aPair,
  labels(examples) {
    const n = examples.length;
    const data = new Float32Array(n * n);
    for (const [i, one] of examples.entries()) {
      for (const [j, other] of examples.entries()) data[i * n + j] = one.label === other.label ? 1 : 0;
    }
    return data;
  },
  loss(vectors, same, { margin }) {
    const n = 'examples';
    const texts = column(vectors, 0);
    const products = ops.matmul(texts, texts, { transB: true });
    const squares = rowSums(squared(texts));
    const sums = ops.add(ops.reshape(squares, [n, 1]), ops.reshape(squares, [1, n]));
    const apart = ops.relu(ops.sub(sums, ops.scale(products, 2)));
    const places = ops.cast(ops.range(n), 'float32');
    const [row, col] = [ops.reshape(places, [n, 1]), ops.reshape(places, [1, n])];
    const isOther = indicator(ops.greater(squared(ops.sub(row, col)), constant(0.5)));
    const positive = ops.greater(apart, constant(0));
    const safe = ops.where(positive, apart, constant(1));
    const distance = ops.mul(ops.sqrt(safe), indicator(positive));
    const [near, far] = [ops.reshape(distance, [n, n, 1]), ops.reshape(distance, [n, 1, n])];
    const valid = ops.mul(ops.reshape(ops.mul(same, isOther), [n, n, 1]), ops.reshape(oneMinus(same), [n, 1, n]));
    const each = ops.mul(ops.relu(ops.add(ops.sub(near, far), constant(margin))), valid);
    const counted = total(indicator(ops.greater(each, constant(1e-16))));
    return ops.div(total(each), ops.add(counted, constant(1e-16)));
  },
};

/** Losses by sentence-transformers' names. */
export const vectorLosses = {
  MultipleNegativesRankingLoss: multipleNegativesRanking,
  // The same loss; what is cached is said by `accumulate`.
  CachedMultipleNegativesRankingLoss: multipleNegativesRanking,
  TripletLoss: triplet,
  CoSENTLoss: cosent,
  CosineSimilarityLoss: cosineSimilarity,
  ContrastiveLoss: contrastive,
  OnlineContrastiveLoss: onlineContrastive,
  BatchAllTripletLoss: batchAllTriplet,
} as const satisfies Readonly<Record<string, VectorLoss>>;

/** Name of a loss. */
export type VectorLossName = keyof typeof vectorLosses;
export const vectorLossNames = Object.keys(vectorLosses) as [VectorLossName, ...VectorLossName[]];

/**
 * What is learned with a loss. With widths, the sum of the losses of the vectors cut to each, the first numbers of a vector
 * being its most telling (Matryoshka, arXiv 2205.13147; sentence-transformers' MatryoshkaLoss with weights of 1).
 */
export function vectorObjective(name: VectorLossName, options: LossOptions, widths: readonly number[] = []): Objective {
  const chosen: VectorLoss = vectorLosses[name];
  const { scale = chosen.usual.scale ?? 1, margin = chosen.usual.margin ?? 0 } = options;
  return {
    labels(examples) {
      if (chosen.form !== 'pairs' && examples.some(({ label }) => label === undefined)) return undefined;
      const texts = examples[0]?.further?.length ?? 0;
      if (examples.some(({ further = [] }) => further.length !== texts)) {
        throw new Error('the examples of a batch have different numbers of texts');
      }
      const sizes = { examples: examples.length, candidates: examples.length * Math.max(1, texts) };
      return { data: chosen.labels(examples), shape: chosen.labelled.map((size) => sizes[size as keyof typeof sizes]) };
    },
    reads: 'all',
    parts: chosen.isJoint ? 'never' : 'apart',
    weight: ({ indices }) => indices.length,
    loss(vectors) {
      const labels = input('labels', 'float32', chosen.labelled);
      const lossOf = (one: Tensor) => chosen.loss(one, labels, { scale, margin });
      if (widths.length === 0) return lossOf(vectors);
      const cut = widths.map((length) => lossOf(unitVectors(ops.slice(vectors, { axis: 1, start: 0, length }))));
      return cut.reduce((sum, one) => ops.add(sum, one));
    },
  };
}
