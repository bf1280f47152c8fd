import type { BatchLabels, EncodedExample } from '../../engine/batch.js';
import { rowsOf } from '../../engine/batching.js';
import { countLabelled, labelledRows } from '../../engine/labels.js';
import type { Objective } from '../../engine/objective.js';
import { input, ops, type Tensor } from '../../graph/index.js';

/** What a loss may be given. */
export interface PreferenceOptions {
  /** How much a change of log-likelihood counts as reward. */
  readonly beta: number;
  /** ε: how likely a preference is taken to be the wrong way round (conservative DPO). */
  readonly labelSmoothing: number;
}

/** What a model makes of the two answers of each example, [examples, 2]: the chosen, then the rejected. */
export interface AnswerTensors {
  /** Σ log p of the answer's tokens, natural logarithm. */
  readonly logps: Tensor;
  /** The same under the model without its adapter. */
  readonly reference: Tensor;
  /** Tokens of the answer. */
  readonly tokens: Tensor;
}

/** The same in numbers, of one answer. */
export interface AnswerNumbers {
  readonly logp: number;
  readonly reference: number;
  readonly tokens: number;
}

/** A loss of preferences. */
export interface PreferenceLoss {
  /** β where nothing is said. */
  readonly usualBeta: number;
  /** It weighs against the model without its adapter. */
  readonly readsReference: boolean;
  /** It reads label smoothing. */
  readonly smooths: boolean;
  /** [examples] */
  each(answers: AnswerTensors, options: PreferenceOptions): Tensor;
  /** How much an answer is worth to the model: what TRL reports as its reward. */
  reward(answer: AnswerNumbers, options: Pick<PreferenceOptions, 'beta'>): number;
}

/** Column k of a matrix [examples, …]. */
const column = (x: Tensor, k: number) => ops.reshape(ops.slice(x, { axis: 1, start: k, length: 1 }), ['examples']);

/**
 * −log σ(r₀ − r₁) of two rewards [examples, 2], which is a softmax over the two (Bradley and Terry, 1952), with the other way round
 * counted to a share of ε.
 */
function preferring(rewards: Tensor, labelSmoothing: number): Tensor {
  const likelihoods = ops.logSoftmax(rewards);
  const right = ops.neg(column(likelihoods, 0));
  if (labelSmoothing === 0) return right;
  const wrong = ops.neg(column(likelihoods, 1));
  return ops.add(ops.scale(right, 1 - labelSmoothing), ops.scale(wrong, labelSmoothing));
}

const logRatio = ({ logp, reference }: AnswerNumbers) => logp - reference;

/** DPO: −log σ(β(log π/π₀(chosen) − log π/π₀(rejected))) (arXiv 2305.18290, eq. 7; ε as in the authors' note on conservative DPO). */
const sigmoid: PreferenceLoss = {
  usualBeta: 0.1,
  readsReference: true,
  smooths: true,
  each: ({ logps, reference }, { beta, labelSmoothing }) =>
    preferring(ops.scale(ops.sub(logps, reference), beta), labelSmoothing),
  reward: (answer, { beta }) => beta * logRatio(answer),
};

/** Losses by TRL's names. */
export const preferenceLosses = { sigmoid } as const satisfies Readonly<Record<string, PreferenceLoss>>;

/** Name of a loss of preferences, as TRL has it. */
export type PreferenceLossName = keyof typeof preferenceLosses;
export const preferenceLossNames = Object.keys(preferenceLosses) as [PreferenceLossName, ...PreferenceLossName[]];

/** Answers of an example: its first text and its further one. */
const answers = 2;
const perAnswer = ['examples', answers] as const;

/** What is learned with a loss: the mean over examples. */
export function preferenceObjective(name: PreferenceLossName, options: PreferenceOptions): Objective {
  const loss: PreferenceLoss = preferenceLosses[name];
  return {
    labels: answerLabels,
    reads: 'rows',
    parts: 'apart',
    weight: ({ indices }) => indices.length,
    loss(logits) {
      const losses = ops.crossEntropy(logits, input('labels', 'int64', ['rows']));
      const sums = ops.scatterAdd(input('answer_of', 'int64', ['rows']), losses, `${answers}*examples`);
      const logps = ops.neg(ops.reshape(sums, perAnswer));
      const each = loss.each({ logps, ...answerInputs() }, options);
      return ops.mean(each, { axes: [0], keepDims: false });
    },
  };
}

/** What is known of answers beside what the model makes of them, as inputs of a graph. */
export function answerInputs(): Pick<AnswerTensors, 'reference' | 'tokens'> {
  return {
    reference: input('reference', 'float32', perAnswer),
    tokens: input('tokens', 'float32', perAnswer),
  };
}

/** Sum of the log-likelihoods of answers, as the input of a graph without a model. */
export function logpInput(): Tensor {
  return input('logps', 'float32', perAnswer);
}

/** The tokens of all answers, and which answer each is of: that of example i and column k is 2i + k. */
function answerLabels(examples: readonly EncodedExample[], sequenceLength: number): BatchLabels | undefined {
  const rows = rowsOf(examples);
  const labelled = labelledRows(rows, sequenceLength);
  if (labelled === undefined) return undefined;
  const answerOf = new BigInt64Array(labelled.data.length);
  const counts = new Float32Array(rows.length);
  const reference = new Float32Array(rows.length);
  let at = 0;
  for (const [row, { tokenLabels, reference: known = 0 }] of rows.entries()) {
    const answer = answers * (row % examples.length) + Math.floor(row / examples.length);
    const count = countLabelled(tokenLabels);
    answerOf.fill(BigInt(answer), at, at + count);
    counts[answer] = count;
    reference[answer] = known;
    at += count;
  }
  const shape = [examples.length, answers];
  return {
    ...labelled,
    beside: {
      answer_of: { data: answerOf, shape: [answerOf.length] },
      reference: { data: reference, shape },
      tokens: { data: counts, shape },
    },
  };
}
