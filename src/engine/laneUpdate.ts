import { type DeviceTensor, host } from '../runtime/deviceTensor.js';
import { together } from '../state.js';
import { adamW, clipGlobalNorm } from './adamw.js';
import type { Batch } from './batch.js';
import type { BatchStream } from './batchStream.js';
import type { LaneSteps } from './laneSteps.js';
import { type Outcome, outcomeOf, type Update } from './loop.js';
import type { Objective } from './objective.js';
import { type Parameter, valuesState } from './parameters.js';

/** Parameters of several trainings of one form. */
export interface StackedLanes {
  /** The values of all lanes, [lanes, …shape], by the parameter's name. */
  readonly tensors: ReadonlyMap<string, DeviceTensor<Float32Array>>;
  /** The parameters of each lane, whose values are parts of these tensors. */
  readonly lanes: readonly (readonly Parameter[])[];
}

/** Lays the parameters of trainings of one form one behind the other. @param each of the same names and shapes, in one order */
export function stackLanes(each: readonly (readonly Parameter[])[]): StackedLanes {
  const tensors = new Map<string, DeviceTensor<Float32Array>>();
  const lanes: Parameter[][] = each.map(() => []);
  for (const [k, { name, shape, values: first }] of each[0]!.entries()) {
    const all = new Float32Array(each.length * first.length);
    for (const [lane, parameters] of each.entries()) {
      const one = parameters[k]!;
      const values = all.subarray(lane * first.length, (lane + 1) * first.length);
      values.set(one.values);
      lanes[lane]!.push({ ...one, values, tensor: host.tensor(values, shape) });
    }
    tensors.set(name, host.tensor(all, [each.length, ...shape]));
  }
  return { tensors, lanes };
}

/** The batches of a step, one a lane, padded alike. */
function laneBatches(streams: readonly BatchStream[], step: number): Batch[][] {
  const length = Math.max(...streams.map((stream) => stream.lengthAt(step)));
  return streams.map((stream) => [stream.at(step, length)]);
}

/** One training among others. */
export interface Lane {
  /** As `stackLanes` gives them. */
  readonly parameters: readonly Parameter[];
  readonly batches: BatchStream;
  /** Learning rate of a step, counted from 0. */
  readonly rate: (step: number) => number;
}

export interface LaneUpdateOptions {
  /** Differentiates by the parameters of the lanes, in their order. */
  readonly open: () => Promise<LaneSteps>;
  readonly objective: Objective;
  readonly weightDecay: number;
  readonly maxGradNorm: number;
  /** The lanes' batches are of one length: what runs in one graph needs that. Default true. */
  readonly areAlike?: boolean;
  /** Parts that a batch is cut into, where they need not be alike. Default 1. */
  readonly parts?: number | undefined;
}

/**
 * Moves the parameters of all lanes in place, each by the gradient of its own batch, with its own clipping, moments and
 * rate. Where the loss or gradient of one is not finite, or has no label, the step of all is left out.
 */
export function laneUpdate(lanes: readonly Lane[], options: LaneUpdateOptions): Update {
  const { objective, weightDecay, maxGradNorm, areAlike = true, parts = 1 } = options;
  const streams = lanes.map(({ batches }) => batches);
  const optimizers = lanes.map(({ parameters }) => adamW(parameters, { weightDecay }));
  const memory = together(
    Object.fromEntries(
      lanes.flatMap(({ parameters }, i) => [
        [`parameters ${i + 1}`, valuesState(parameters)],
        [`optimizer ${i + 1}`, optimizers[i]!],
      ]),
    ),
  );
  return {
    ...memory,
    name: 'weights',
    async open() {
      const steps = await options.open();
      const gradients = lanes.map(({ parameters }, lane) =>
        parameters.map(({ values: { length } }, k) => steps.gradients[k]!.subarray(lane * length, (lane + 1) * length)),
      );
      return {
        async run(step): Promise<Outcome> {
          const each = areAlike ? laneBatches(streams, step) : streams.map((stream) => stream.partsAt(step, parts));
          const batches = each.flat();
          if (each.some((own) => !own.some((batch) => objective.weight(batch) > 0)))
            return { kind: 'unlabelled', batches };
          const loss = await steps.run(each, step);
          const clips = gradients.map((own) => clipGlobalNorm(own, maxGradNorm));
          const norms = clips.map(({ norm }) => norm);
          const outcome = outcomeOf(batches, loss, Math.hypot(...norms) / Math.sqrt(norms.length));
          if (outcome.kind !== 'done') return outcome;
          for (const [lane, { rate }] of lanes.entries()) {
            optimizers[lane]!.step(gradients[lane]!, rate(step), clips[lane]!.factor);
          }
          return outcome;
        },
        release: () => steps.release(),
      };
    },
  };
}
