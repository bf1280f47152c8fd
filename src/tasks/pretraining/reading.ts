import type { Example } from '../../data/types.js';
import type { EncodedExample } from '../../engine/batch.js';
import { openLikelihoods } from '../../infer/likelihood.js';
import type { Scorer, TaskAsked } from '../kinds/kind.js';
import { scoredSums } from '../kinds/scoredSums.js';

/** Scores texts by the likelihood of the labelled tokens of their sequences. What a sequence adds, its index's example adds. */
export function readingScorer(
  task: TaskAsked,
  examples: readonly Example[],
  sequences: readonly EncodedExample[],
): Scorer {
  const numbered = sequences.map((one, index) => ({ ...one, index }));
  return {
    async open({ opened, plan, parameters }, computing) {
      const reader = await openLikelihoods(opened.model, { plan, parameters }, computing);
      return {
        async score({ signal, onDone }) {
          const added: [number, number][] = examples.map(() => [0, 0]);
          const share = examples.length / Math.max(1, numbered.length);
          const scores = await reader.each(numbered, {
            signal,
            onBatch: (done, tokens) => onDone?.(Math.floor(done * share), tokens),
          });
          for (const [i, { logLikelihood, tokens }] of scores.entries()) {
            const own = added[sequences[i]!.index]!;
            own[0] += logLikelihood;
            own[1] += tokens;
          }
          return scoredSums(task.metrics, Object.fromEntries(task.metrics.map((name) => [name, added])), 'texts');
        },
        release: reader.release,
      };
    },
  };
}
