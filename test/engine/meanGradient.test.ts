import { describe, expect, it } from 'vitest';
import { BatchStream } from '../../src/engine/batchStream.js';
import type { GradientStep } from '../../src/engine/gradientStep.js';
import { meanGradient, meanGradientBatches } from '../../src/engine/meanGradient.js';
import { objectives } from '../objectives.js';
import { examples } from '../selection/examples.js';

const stream = (count: number) =>
  new BatchStream(examples(count, 'a'), {
    batchSize: 2,
    seed: 1,
    objective: objectives.classification,
    padTokenId: 0,
  });

/** A step whose gradients are those of a table, by the number of the step. */
function scripted(gradientsOf: (step: number) => readonly (readonly number[])[]) {
  const gradients = gradientsOf(0).map(({ length }) => new Float32Array(length));
  const steps: number[] = [];
  const step: GradientStep = {
    gradients,
    async run(_, number) {
      steps.push(number);
      for (const [i, values] of gradientsOf(number).entries()) gradients[i]!.set(values);
      return 0;
    },
    release: async () => {},
  };
  return { step, steps };
}

const wrt = [{ name: 'a' }, { name: 'b' }];
const float64 = (length: number) => new Float64Array(length);

describe('the mean gradient', () => {
  it('is over an epoch of fewer than 16 batches: that of 0, 1, …, 4 is 2', async () => {
    const { step, steps } = scripted((i) => [[i, -i], [10]]);
    const means = await meanGradient(step, stream(10), { wrt, zeros: float64 });
    expect(steps).toEqual([0, 1, 2, 3, 4]);
    expect(means[0]![0]).toBeCloseTo(2, 12);
    expect(means[0]![1]).toBeCloseTo(-2, 12);
    expect(means[1]![0]).toBeCloseTo(10, 12);
  });

  it('is over the first 16 batches of a longer one: that of 0, 1, …, 15 is 7.5', async () => {
    const { step, steps } = scripted((i) => [[i], [0]]);
    const batches = stream(100);
    const done: number[] = [];
    const means = await meanGradient(step, batches, { wrt, zeros: float64, onBatch: (count) => done.push(count) });
    expect(meanGradientBatches(batches)).toBe(16);
    expect(steps).toHaveLength(16);
    expect(done.at(-1)).toBe(16);
    expect(means[0]![0]).toBe(7.5);
  });

  it('is summed in the precision that is asked for: 1/5 five times over is 1 but for its rounding', async () => {
    const { step } = scripted(() => [[1], [1]]);
    const single = await meanGradient(step, stream(10), { wrt, zeros: (length) => new Float32Array(length) });
    expect(single[0]).toBeInstanceOf(Float32Array);
    expect(Math.abs(single[0]![0]! - 1)).toBeLessThan(2 ** -22);
    const double = await meanGradient(step, stream(10), { wrt, zeros: float64 });
    expect(Math.abs(double[0]![0]! - 1)).toBeLessThan(2 ** -51);
  });

  it('names the batch and the tensor of which a gradient is not finite', async () => {
    const { step } = scripted((i) => [[1], [i === 2 ? Number.NaN : 1]]);
    await expect(meanGradient(step, stream(10), { wrt, zeros: float64 })).rejects.toThrow(
      'The gradient of training batch 3 is not finite: b holds NaN at position 0.',
    );
  });

  it('stops between batches when it is aborted', async () => {
    const { step, steps } = scripted(() => [[1], [1]]);
    const controller = new AbortController();
    const onBatch = (done: number) => done === 2 && controller.abort(new Error('stopped'));
    await expect(
      meanGradient(step, stream(10), { wrt, zeros: float64, signal: controller.signal, onBatch }),
    ).rejects.toThrow('stopped');
    expect(steps).toEqual([0, 1]);
  });
});
