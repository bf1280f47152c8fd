import type { Shared } from '../engine/accumulate.js';
import type { BatchStream } from '../engine/batchStream.js';
import type { GradientStepOptions } from '../engine/gradientStep.js';
import { openLaneTurns } from '../engine/laneTurns.js';
import { type Lane, laneUpdate } from '../engine/laneUpdate.js';
import type { Update } from '../engine/loop.js';
import type { Parameter } from '../engine/parameters.js';
import { shared as opensOnce } from '../engine/sharedStep.js';
import type { Model } from '../models/model.js';
import { doublesState, type Resumable, together } from '../state.js';
import type { Gates } from './moduleGates.js';
import type { GateGradient } from './unrolled.js';

/** Several searches that share a matrix. They take turns in one graph, so that a team takes the memory of one. */
export interface SearchTeam {
  /** What each member's gates would have moved by: the gradients of its validation loss, summed over the steps. */
  readonly slopes: readonly Float64Array[];
  readonly memory: Resumable;
  /** The mean of the members' gradients by the gates. */
  openGradient(): Promise<GateGradient>;
  update(options: {
    readonly training: readonly BatchStream[];
    readonly rate: (step: number) => number;
    readonly maxGradNorm: number;
    /** Parts that each batch is cut into. */
    readonly parts?: number | undefined;
  }): Update;
}

/**
 * @param members A and B of all modules, and the head, of each
 * @param options as for the step of the first member that learns its weights
 * @param isDrawn whether that step has dropout; the matrix is learned without
 * @param shared ranks that share each batch out
 */
export function searchTeam(
  model: Model,
  members: readonly (readonly Parameter[])[],
  { gates, ...options }: Omit<GradientStepOptions, 'gates' | 'wrt'> & { readonly gates: Gates },
  isDrawn: boolean,
  shared?: Shared,
): SearchTeam {
  const count = members.length;
  const weights = members[0]!;
  const slopes = members.map(() => new Float64Array(gates.parameter.values.length));
  const turnsOf = (wrt: readonly Parameter[], drawn: typeof options) => () =>
    openLaneTurns(model, { ...drawn, gates: gates.of, wrt }, members, shared);
  const { dropoutSeed, dropoutRate, ...plain } = options;
  const both = opensOnce(turnsOf([gates.parameter, ...weights], plain));
  const openMatrix = isDrawn ? turnsOf([gates.parameter], plain) : both;
  const openWeights = isDrawn
    ? turnsOf(weights, options)
    : async () => {
        const steps = await both();
        return { ...steps, gradients: steps.gradients.slice(1) };
      };
  return {
    slopes,
    memory: together(Object.fromEntries(slopes.map((slope, i) => [`slope ${i + 1}`, doublesState(slope)]))),
    async openGradient() {
      const steps = await openMatrix();
      const { length } = gates.parameter.values;
      const gradient = new Float32Array(length);
      return {
        gradient,
        async run(validation) {
          const loss = await steps.run(validation, 0);
          const own = steps.gradients[0]!;
          gradient.fill(0);
          for (const [i, value] of own.entries()) gradient[i % length]! += value / count;
          // What is not finite leaves the step out, and the sums as they are.
          if (Number.isFinite(loss) && own.every(Number.isFinite)) {
            for (const [i, value] of own.entries()) slopes[Math.floor(i / length)]![i % length]! += value;
          }
          return loss;
        },
        release: () => steps.release(),
      };
    },
    update: ({ training, rate, maxGradNorm, parts }) =>
      laneUpdate(
        members.map((parameters, i): Lane => ({ parameters, batches: training[i]!, rate })),
        { objective: options.objective, weightDecay: 0, maxGradNorm, open: openWeights, areAlike: false, parts },
      ),
  };
}
