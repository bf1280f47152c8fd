import type { BatchLabels, EncodedExample } from '../../engine/batch.js';
import { rowsOf } from '../../engine/batching.js';
import { countLabelled, labelledRows } from '../../engine/labels.js';
import type { Objective } from '../../engine/objective.js';
import { input, ops } from '../../graph/index.js';
import {
  answerInputs,
  answersEach,
  type PreferenceLoss,
  type PreferenceLossName,
  type PreferenceOptions,
  preferenceLosses,
} from './losses.js';

/** What is learned with a loss: the mean over examples. */
export function preferenceObjective(name: PreferenceLossName, options: PreferenceOptions): Objective {
  const loss: PreferenceLoss = preferenceLosses[name];
  const ofTokens = (of: string) => input(of, 'float32', ['rows']);
  return {
    labels: answerLabels,
    reads: 'rows',
    parts: loss.isJoint ? 'never' : 'apart',
    weight: ({ indices }) => indices.length,
    loss(logits) {
      const losses = ops.crossEntropy(logits, input('labels', 'int64', ['rows']));
      const counted = loss.learnsChosen ? ops.mul(losses, ofTokens('is_answer')) : losses;
      const sums = ops.scatterAdd(input('answer_of', 'int64', ['rows']), counted, `${answersEach}*examples`);
      const logps = ops.neg(ops.reshape(sums, ['examples', answersEach]));
      const each = loss.each({ logps, ...answerInputs() }, options);
      const mean = ops.mean(each, { axes: [0], keepDims: false });
      if (!loss.learnsChosen) return mean;
      return ops.add(mean, ops.sum(ops.mul(losses, ofTokens('chosen_share')), { axes: [0], keepDims: false }));
    },
  };
}

/** A sequence of which every token is learned, what is of the answer being known. */
export function learnedWhole(sequence: EncodedExample): EncodedExample {
  const tokenLabels = sequence.tokenLabels!.map((label, i) => sequence.inputIds[i + 1] ?? label);
  return { ...sequence, tokenLabels, answerFrom: sequence.tokenLabels!.findIndex((label) => label >= 0) };
}

/** The tokens of all answers, and which answer each is of: that of example i and column k is 2i + k. */
function answerLabels(
  examples: readonly EncodedExample[],
  sequenceLength: number,
  whole: readonly EncodedExample[] = examples,
): BatchLabels | undefined {
  const rows = rowsOf(examples);
  const labelled = labelledRows(rows, sequenceLength);
  if (labelled === undefined) return undefined;
  const length = labelled.data.length;
  const answerOf = new BigInt64Array(length);
  const isAnswer = new Float32Array(length).fill(1);
  const chosenShare = new Float32Array(length);
  const tokens = new Float32Array(rows.length);
  const reference = new Float32Array(rows.length);
  // A part counts in its batch by its examples, and the mean over tokens is that of the batch.
  const chosenTokens = whole.reduce((sum, { tokenLabels }) => sum + countLabelled(tokenLabels), 0);
  const share = whole.length / (examples.length * chosenTokens);
  let at = 0;
  for (const [row, { tokenLabels, reference: known = 0, answerFrom = 0 }] of rows.entries()) {
    const answer = answersEach * (row % examples.length) + Math.floor(row / examples.length);
    const count = countLabelled(tokenLabels);
    answerOf.fill(BigInt(answer), at, at + count);
    isAnswer.fill(0, at, at + answerFrom);
    if (row < examples.length) chosenShare.fill(share, at, at + count);
    tokens[answer] = count - answerFrom;
    reference[answer] = known;
    at += count;
  }
  const shape = [examples.length, answersEach];
  return {
    ...labelled,
    beside: {
      answer_of: { data: answerOf, shape: [length] },
      is_answer: { data: isAnswer, shape: [length] },
      chosen_share: { data: chosenShare, shape: [length] },
      reference: { data: reference, shape },
      tokens: { data: tokens, shape },
      desirable: { data: Float32Array.from(examples, ({ label = 0 }) => label), shape: [examples.length] },
    },
  };
}
