import type { Model } from '../models/model.js';
import { type DeviceTensor, host } from '../runtime/deviceTensor.js';
import type { Value } from '../runtime/session.js';
import type { Batch } from './batch.js';
import { type GradientStepOptions, gradientName, stepOf } from './gradientStep.js';
import { batchFeeds } from './modelGraph.js';
import { openProgram } from './program.js';

/** Several trainings of one form that run side by side: a gradient step for each in one run of one graph. */
export interface LaneSteps {
  /** Of the last run, a loss a lane. */
  readonly losses: Float32Array;
  /** Of the last run, in the order of `wrt`: [lanes, …shape] each. */
  readonly gradients: readonly Float32Array[];
  /**
   * @param batches one for each lane, in parts (see `accumulator`); in one graph all whole and of one length
   * @param step selects the dropout masks
   * @returns the mean of the losses
   */
  run(batches: readonly (readonly Batch[])[], step: number): Promise<number>;
  release(): Promise<void>;
}

export interface LaneOptions {
  /** Lanes. */
  readonly count: number;
  /** The lanes' values of each parameter, [lanes, …shape], by name; read as they are when it runs. */
  readonly tensors: ReadonlyMap<string, DeviceTensor<Float32Array>>;
}

/**
 * Compiles the step of `openGradientStep` once for many lanes that share the base model and have parameters and
 * batches of their own. Dropout is off. Batches of each size run by themselves: a run costs what all lanes cost.
 *
 * @param options `parameters` as in a step of one lane; those that `tensors` lacks are shared by all
 */
export async function openLaneSteps(
  model: Model,
  options: Omit<GradientStepOptions, 'dropoutSeed' | 'dropoutRate' | 'largestBatch'>,
  { count, tensors }: LaneOptions,
): Promise<LaneSteps> {
  const { wrt, threads, objective, parameters } = options;
  if (objective.reads === 'rows') throw new Error('lanes cannot leave out positions, of which each has its own number');
  const { graph, outputs } = stepOf(options);
  const shared = new Set(parameters.flatMap(({ name }) => (tensors.has(name) ? [] : [name])));
  const lanes = { count, own: (name: string) => !shared.has(name) };
  const program = await openProgram(model, { ...graph, threads, outputs, lanes });
  const losses = host.zeros([count]);
  const gradients = wrt.map(({ tensor, shape }) => tensor.device.zeros([count, ...shape]));
  const into = { loss: losses, ...Object.fromEntries(wrt.map((one, i) => [gradientName(one), gradients[i]!])) };
  return {
    losses: losses.data,
    gradients: gradients.map((one) => one.host()),
    async run(parts) {
      const batches = parts.map(([whole, ...more]) => {
        if (whole === undefined || more.length > 0) throw new Error('in one graph a batch runs whole');
        return whole;
      });
      const feeds = Object.fromEntries(tensors);
      const sizes = new Set(batches.map(({ batchSize }) => batchSize));
      if (sizes.size === 1) await program.run({ ...feeds, ...stackedFeeds(batches) }, into);
      else
        for (const size of sizes) {
          // Lanes of another size run along with a batch that is not theirs, and what comes of it is left.
          const isOf = ({ batchSize }: Batch) => batchSize === size;
          const one = batches.find(isOf);
          const found = await program.run({
            ...feeds,
            ...stackedFeeds(batches.map((own) => (isOf(own) ? own : one!))),
          });
          for (const [name, place] of Object.entries<DeviceTensor<Float32Array>>(into)) {
            const [all, values] = [place.host(), found[name]!.data];
            const length = all.length / count;
            for (const [lane, own] of batches.entries()) {
              if (isOf(own)) all.set(values.subarray(lane * length, (lane + 1) * length), lane * length);
            }
          }
        }
      return losses.data.reduce((sum, loss) => sum + loss, 0) / count;
    },
    release: () => program.release(),
  };
}

/** The feeds of batches of one size, one behind the other. */
function stackedFeeds(batches: readonly Batch[]): Record<string, Value> {
  const each = batches.map((batch) => batchFeeds(batch, true));
  return Object.fromEntries(
    Object.entries(each[0]!).map(([name, { data, shape }]) => {
      const all =
        data instanceof Float32Array
          ? new Float32Array(each.length * data.length)
          : new BigInt64Array(each.length * data.length);
      for (const [i, feeds] of each.entries()) all.set(feeds[name]!.data as never, i * data.length);
      return [name, { data: all, shape: [each.length, ...shape] }];
    }),
  );
}
