import { constant, input, ops, type Tensor } from '../../graph/index.js';
import type { JudgedForm } from './judged.js';

/** What a loss may be given. */
export interface PreferenceOptions {
  /** How much a change of log-likelihood counts as reward. */
  readonly beta: number;
  /** SimPO's γ: by how much the chosen answer is to be worth more. */
  readonly simpoGamma: number;
  /** ε: how likely a preference is taken to be the wrong way round (conservative DPO). */
  readonly labelSmoothing: number;
  /** KTO: what the losses of good and of bad answers count. */
  readonly desirableWeight: number;
  readonly undesirableWeight: number;
}

/**
 * What a model makes of the two answers of each example, [examples, 2]: the chosen, then the rejected; of an answer with a label that, then
 * one that was given to something else.
 */
export interface AnswerTensors {
  /** Σ log p of the answer's tokens, natural logarithm. */
  readonly logps: Tensor;
  /** The same under the model without its adapter. */
  readonly reference: Tensor;
  /** Tokens of the answer. */
  readonly tokens: Tensor;
  /** 1 for a good answer, 0 for a bad one, where answers have labels. [examples] */
  readonly desirable: Tensor;
}

/** The same in numbers, of one answer. */
export interface AnswerNumbers {
  readonly logp: number;
  readonly reference: number;
  readonly tokens: number;
}

/** A loss of preferences. */
export interface PreferenceLoss {
  /** What rows tell that it learns from. */
  readonly form: JudgedForm;
  /** Options by their usual values; one that is not here is not read. */
  readonly usual: {
    readonly beta: number;
    readonly simpoGamma?: number;
    readonly desirableWeight?: number;
    readonly undesirableWeight?: number;
  };
  /** Examples of a batch stand in each other's loss. */
  readonly isJoint: boolean;
  /** It weighs against the model without its adapter. */
  readonly readsReference: boolean;
  /** It reads label smoothing. */
  readonly smooths: boolean;
  /** The chosen answer and its prompt are learned beside it, every token, the mean over those of a batch. */
  readonly learnsChosen: boolean;
  /** [examples] */
  each(answers: AnswerTensors, options: PreferenceOptions): Tensor;
  /** How much an answer is worth to the model: what TRL reports as its reward. */
  reward(answer: AnswerNumbers, options: Pick<PreferenceOptions, 'beta'>): number;
}

/** Column k of a matrix [examples, …], as `shape`. */
const column = (x: Tensor, k: number, shape: readonly (number | string)[] = ['examples']) =>
  ops.reshape(ops.slice(x, { axis: 1, start: k, length: 1 }), shape);

const difference = (x: Tensor) => ops.sub(column(x, 0), column(x, 1));
const logRatios = ({ logps, reference }: AnswerTensors) => ops.sub(logps, reference);
const means = ({ logps, tokens }: AnswerTensors) => ops.div(logps, tokens);

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

const rewardOfRatio: PreferenceLoss['reward'] = ({ logp, reference }, { beta }) => beta * (logp - reference);
const rewardOfMean: PreferenceLoss['reward'] = ({ logp, tokens }, { beta }) => (beta * logp) / tokens;

const ofPairs = { form: 'pairs', isJoint: false } as const;

/** DPO: −log σ(β(log π/π₀(chosen) − log π/π₀(rejected))) (arXiv 2305.18290, eq. 7; ε as in the authors' note on conservative DPO). */
const sigmoid: PreferenceLoss = {
  ...ofPairs,
  usual: { beta: 0.1 },
  readsReference: true,
  smooths: true,
  learnsChosen: false,
  each: (answers, { beta, labelSmoothing }) => preferring(ops.scale(logRatios(answers), beta), labelSmoothing),
  reward: rewardOfRatio,
};

/**
 * (h − 1/(2β))², h being the difference of log π/π₀ (arXiv 2310.12036, eq. 17), of means over tokens as TRL has it, so that long answers
 * do not count more.
 */
const ipo: PreferenceLoss = {
  ...ofPairs,
  usual: { beta: 0.1 },
  readsReference: true,
  smooths: false,
  learnsChosen: false,
  each(answers, { beta }) {
    const off = ops.sub(difference(ops.div(logRatios(answers), answers.tokens)), constant(1 / (2 * beta)));
    return ops.mul(off, off);
  },
  reward: rewardOfRatio,
};

/** log(p / (1 − p)) of log p. 1 − eˣ is −2t / (1 − t) with t = tanh(x/2): exact also where p is nearly 1. */
function logOdds(x: Tensor): Tensor {
  const t = ops.tanh(ops.scale(x, 0.5));
  const beside = ops.sub(ops.log(ops.scale(t, -2)), ops.log(ops.sub(constant(1), t)));
  return ops.sub(x, beside);
}

/** −β log σ(log odds(chosen) − log odds(rejected)) of mean likelihoods, beside the loss of the chosen answer (arXiv 2403.07691, eq. 6 and 7). */
const orpo: PreferenceLoss = {
  ...ofPairs,
  usual: { beta: 0.1 },
  readsReference: false,
  smooths: false,
  learnsChosen: true,
  each: (answers, { beta }) => ops.scale(preferring(logOdds(means(answers)), 0), beta),
  reward: rewardOfMean,
};

/** SimPO: −log σ(β(mean log π(chosen) − mean log π(rejected)) − γ) (arXiv 2405.14734, eq. 6). */
const simpo: PreferenceLoss = {
  ...ofPairs,
  usual: { beta: 2, simpoGamma: 1 },
  readsReference: false,
  smooths: true,
  learnsChosen: false,
  each(answers, { beta, simpoGamma, labelSmoothing }) {
    const rewards = ops.scale(means(answers), beta);
    const asked = ops.sub(column(rewards, 0, ['examples', 1]), constant(simpoGamma));
    return preferring(ops.concat([asked, column(rewards, 1, ['examples', 1])], 1), labelSmoothing);
  },
  reward: rewardOfMean,
};

/**
 * w (1 − σ(±β(log π/π₀(answer) − z))), + for a good and − for a bad answer; z is the mean of log π/π₀ over answers that were given to
 * something else, 0 at least, through which nothing is learned (arXiv 2402.01306, eq. 7 and 8).
 */
const kto: PreferenceLoss = {
  form: 'labels',
  usual: { beta: 0.1, desirableWeight: 1, undesirableWeight: 1 },
  isJoint: true,
  readsReference: true,
  smooths: false,
  learnsChosen: false,
  each(answers, { beta, desirableWeight, undesirableWeight }) {
    const ratios = logRatios(answers);
    const beside = ops.mean(column(ratios, 1), { axes: [0], keepDims: false });
    const off = ops.scale(ops.sub(column(ratios, 0), ops.relu(ops.stopGradient(beside))), beta);
    const { desirable } = answers;
    const sign = ops.sub(ops.scale(desirable, 2), constant(1));
    const weight = ops.add(
      ops.scale(desirable, desirableWeight),
      ops.scale(ops.sub(constant(1), desirable), undesirableWeight),
    );
    return ops.mul(weight, ops.sigmoid(ops.neg(ops.mul(sign, off))));
  },
  reward: rewardOfRatio,
};

/** Losses by TRL's names. */
export const preferenceLosses = { sigmoid, ipo, orpo, simpo, kto } as const satisfies Readonly<
  Record<string, PreferenceLoss>
>;

/** Name of a loss of preferences, as TRL has it. */
export type PreferenceLossName = keyof typeof preferenceLosses;
export const preferenceLossNames = Object.keys(preferenceLosses) as [PreferenceLossName, ...PreferenceLossName[]];

/** Answers of an example: its first text and its further one. */
export const answersEach = 2;
const perAnswer = ['examples', answersEach] as const;

/** What is known of answers beside what the model makes of them, as inputs of a graph. */
export function answerInputs(): Pick<AnswerTensors, 'reference' | 'tokens' | 'desirable'> {
  return {
    reference: input('reference', 'float32', perAnswer),
    tokens: input('tokens', 'float32', perAnswer),
    desirable: input('desirable', 'float32', ['examples']),
  };
}

/** Sums of the log-likelihoods of answers, as the input of a graph without a model. */
export function logpInput(): Tensor {
  return input('logps', 'float32', perAnswer);
}
