import type { EncodedExample } from '../../engine/batch.js';
import { openLikelihoods } from '../../infer/likelihood.js';
import type { MetricName } from '../../metrics/names.js';
import { openTogether, releaseAll } from '../../runtime/release.js';
import { openSession } from '../../runtime/session.js';
import type { Scorer, TaskAsked } from '../kinds/kind.js';
import { scoredSums } from '../kinds/scoredSums.js';
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

const nothingOf = ([some]: readonly (readonly number[])[]) => some!.map(() => 0);

/**
 * Rewards of answers, as TRL reports them, and the loss.
 * @param pairs the two sequences of each example, with their reference, and its label in the first; undefined for one that does not fit
 */
export function answerScorer(
  pairs: readonly (readonly [chosen: EncodedExample, rejected: EncodedExample] | undefined)[],
  { loss, options, metrics }: PreferenceScoring,
): Scorer {
  const fitting = pairs.filter((pair) => pair !== undefined);
  const answerSequences = fitting.flat();
  const wholes = loss.learnsChosen ? fitting.map(([chosen]) => learnedWhole(chosen)) : [];
  const sequences = numbered([...answerSequences, ...wholes]);
  const parts = loss.learnsChosen ? 3 : 2;
  return {
    async open({ opened, plan, parameters }, computing) {
      const { reader, losses } = await openTogether(async (keep) => ({
        reader: await keep(openLikelihoods(opened.model, { plan, parameters }, computing)),
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
          const rewards = answers.map((one) => loss.reward(one, options));
          const each = fitting.map(([{ label }], i): Weighed => {
            return {
              loss: weighed[i]! + (learned[i] ?? 0),
              first: rewards[2 * i]!,
              second: rewards[2 * i + 1]!,
              label,
            };
          });
          const found = loss.form === 'pairs' ? addedByPairs(each) : addedByLabels(each);
          const every: Added = Object.fromEntries(
            metrics.map((name) => {
              let next = 0;
              return [
                name,
                pairs.map((pair) => (pair === undefined ? nothingOf(found[name]!) : found[name]![next++]!)),
              ];
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
          desirable: { data: Float32Array.from(fitting, ([{ label = 0 }]) => label), shape: [fitting.length] },
        };
        return (await losses.run(given)).each!.data as Float32Array;
      }
    },
  };
}

/** An example, its loss and what its two answers are worth. */
interface Weighed {
  readonly loss: number;
  readonly first: number;
  readonly second: number;
  readonly label: number | undefined;
}

function addedByPairs(examples: readonly Weighed[]): Added {
  const each = (of: (one: Weighed) => number) => examples.map((one) => [of(one), 1]);
  return {
    reward_accuracy: each(({ first, second }) => (first > second ? 1 : 0)),
    reward_margin: each(({ first, second }) => first - second),
    chosen_reward: each(({ first }) => first),
    rejected_reward: each(({ second }) => second),
    loss: each(({ loss }) => -loss),
  };
}

/** The margin is between the means of good and of bad answers: there are no pairs. */
function addedByLabels(examples: readonly Weighed[]): Added {
  const good = ({ first, label }: Weighed) => (label === 1 ? [first, 1] : [0, 0]);
  const bad = ({ first, label }: Weighed) => (label === 1 ? [0, 0] : [first, 1]);
  return {
    reward_margin: examples.map((one) => [...good(one), ...bad(one)]),
    chosen_reward: examples.map(good),
    rejected_reward: examples.map(bad),
    loss: examples.map(({ loss }) => [-loss, 1]),
  };
}
