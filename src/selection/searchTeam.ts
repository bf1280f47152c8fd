import type { BatchStream } from '../engine/batchStream.js';
import type { GradientStepOptions } from '../engine/gradientStep.js';
import { openLaneSteps } from '../engine/laneSteps.js';
import { type Lane, laneUpdate, stackLanes } from '../engine/laneUpdate.js';
import type { Update } from '../engine/loop.js';
import type { Parameter } from '../engine/parameters.js';
import { shared } from '../engine/sharedStep.js';
import type { Model } from '../models/model.js';
import { doublesState, type Resumable, together } from '../state.js';
import type { Gates } from './moduleGates.js';
import type { GateGradient } from './unrolled.js';

/** Several searches that share a matrix, as lanes of one graph. */
export interface SearchTeam {
  /** A, B and head of every member, member after member. */
  readonly trained: readonly Parameter[];
  /** What each member's gates would have moved by: the gradients of its validation loss, summed over the steps. */
  readonly slopes: readonly Float64Array[];
  readonly memory: Resumable;
  /** The mean of the members' gradients by the gates. */
  openGradient(): Promise<GateGradient>;
  update(options: {
    readonly training: readonly BatchStream[];
    readonly rate: (step: number) => number;
    readonly maxGradNorm: number;
  }): Update;
}

/**
 * @param members A and B of all modules, and the head, of each
 * @param options as for the step of one member; `wrt` is the gates and then its weights
 */
export function searchTeam(
  model: Model,
  members: readonly { readonly adapters: readonly Parameter[]; readonly head: readonly Parameter[] }[],
  { gates, ...options }: Omit<GradientStepOptions, 'gates' | 'largestBatch'> & { readonly gates: Gates },
): SearchTeam {
  const { tensors, lanes } = stackLanes(members.map(({ adapters, head }) => [...adapters, ...head]));
  const count = members.length;
  const slopes = members.map(() => new Float64Array(gates.parameter.values.length));
  const open = shared(() => openLaneSteps(model, { ...options, gates: gates.of }, { count, tensors }));
  return {
    trained: lanes.flat(),
    slopes,
    memory: together(Object.fromEntries(slopes.map((slope, i) => [`slope ${i + 1}`, doublesState(slope)]))),
    async openGradient() {
      const steps = await open();
      const { length } = gates.parameter.values;
      const gradient = new Float32Array(length);
      return {
        gradient,
        async run(validation) {
          const loss = await steps.run(validation);
          const own = steps.gradients[0]!;
          for (let i = 0; i < length; i++) {
            let sum = 0;
            for (const [lane, slope] of slopes.entries()) {
              slope[i]! += own[lane * length + i]!;
              sum += own[lane * length + i]!;
            }
            gradient[i] = sum / count;
          }
          return loss;
        },
        release: () => steps.release(),
      };
    },
    update: ({ training, rate, maxGradNorm }) =>
      laneUpdate(
        lanes.map((parameters, i): Lane => ({ parameters, batches: training[i]!, rate })),
        {
          objective: options.objective,
          weightDecay: 0,
          maxGradNorm,
          async open() {
            const steps = await open();
            return { ...steps, gradients: steps.gradients.slice(1) };
          },
        },
      ),
  };
}
