import type { EncodedExample } from '../../engine/batch.js';
import { openLikelihoods } from '../../infer/likelihood.js';
import type { MetricName } from '../../metrics/names.js';
import { openTogether, releaseAll } from '../../runtime/release.js';
import { openSession } from '../../runtime/session.js';
import type { Scorer, TaskAsked } from '../kinds/kind.js';
import { scoredSums } from '../kinds/writtenTexts.js';
import { numbered } from './answers.js';
import { type AnswerNumbers, answerInputs, logpInput, type PreferenceLoss, type PreferenceOptions } from './losses.js';
import { learnedWhole } from './objective.js';

/** What is scored: the loss, and how much answers are worth by it. */
export interface PreferenceScoring {
  readonly loss: PreferenceLoss;
  readonly options: PreferenceOptions;
  readonly metrics: TaskAsked['metrics'];
}

/** What each example adds to a metric: a share of two sums, of which examples that do not fit add nothing. */
type Added = Partial<Record<MetricName, readonly (readonly number[])[]>>;

const nothing = [0, 0];

/**
 * Rewards of pairs of answers, as TRL reports them, and the loss.
 * @param pairs the two sequences of each example, with their reference; undefined for one that does not fit
 */
export function pairScorer(
  pairs: readonly (readonly [chosen: EncodedExample, rejected: EncodedExample] | undefined)[],
  { loss, options, metrics }: PreferenceScoring,
): Scorer {
  const fitting = pairs.filter((pair) => pair !== undefined);
  const answerSequences = fitting.flat();
  const wholes = loss.learnsChosen ? fitting.map(([chosen]) => learnedWhole(chosen)) : [];
  const sequences = numbered([...answerSequences, ...wholes]);
  const parts = loss.learnsChosen ? 3 : 2;
  return {
    async open({ opened, plan, parameters }, { threads }) {
      const { reader, losses } = await openTogether(async (keep) => ({
        reader: await keep(openLikelihoods(opened.model, { plan, parameters }, { threads })),
        losses: await keep(
          openSession({ each: loss.each({ logps: logpInput(), ...answerInputs() }, options) }, { threads: 1 }),
        ),
      }));
      return {
        async score({ signal, onDone }) {
          const onBatch = (done: number, tokens: number) => onDone?.(Math.floor(done / parts), tokens);
          const read = await reader.each(sequences, { signal, onBatch });
          const answers = read.slice(0, answerSequences.length).map(({ logLikelihood: logp, tokens }, i) => {
            return { logp, tokens, reference: sequences[i]!.reference ?? 0 };
          });
          const learned = read
            .slice(answerSequences.length)
            .map(({ logLikelihood, tokens }) => -logLikelihood / tokens);
          const weighed = await lossesOf(answers);
          const found = addedBy(
            answers,
            weighed.map((value, i) => value + (learned[i] ?? 0)),
            options,
            loss,
          );
          const every: Added = Object.fromEntries(
            metrics.map((name) => {
              let next = 0;
              return [name, pairs.map((pair) => (pair === undefined ? nothing : found[name]![next++]!))];
            }),
          );
          return scoredSums(metrics, every, 'preferences');
        },
        release: () => releaseAll([reader, losses]),
      };

      async function lossesOf(answers: readonly AnswerNumbers[]): Promise<Float32Array> {
        const shape = [fitting.length, 2];
        const fed = (of: (answer: AnswerNumbers) => number) => ({ data: Float32Array.from(answers, of), shape });
        const given = {
          logps: fed(({ logp }) => logp),
          reference: fed(({ reference }) => reference),
          tokens: fed(({ tokens }) => tokens),
        };
        return (await losses.run(given)).each!.data as Float32Array;
      }
    },
  };
}

function addedBy(
  answers: readonly AnswerNumbers[],
  losses: Float32Array,
  options: PreferenceOptions,
  { reward }: PreferenceLoss,
): Added {
  const pairs = Array.from(losses, (loss, i) => {
    const [chosen, rejected] = [answers[2 * i]!, answers[2 * i + 1]!].map((one) => reward(one, options));
    return { loss, chosen: chosen!, rejected: rejected! };
  });
  const each = (of: (pair: (typeof pairs)[number]) => number) => pairs.map((pair) => [of(pair), 1]);
  return {
    reward_accuracy: each(({ chosen, rejected }) => (chosen > rejected ? 1 : 0)),
    reward_margin: each(({ chosen, rejected }) => chosen - rejected),
    chosen_reward: each(({ chosen }) => chosen),
    rejected_reward: each(({ rejected }) => rejected),
    loss: each(({ loss }) => -loss),
  };
}
