import { describe, expect, it } from 'vitest';
import { grad, input } from '../../../src/graph/index.js';
import { openSession } from '../../../src/runtime/session.js';
import { classificationObjective, type LossOptions } from '../../../src/tasks/kinds/classification.js';
import { expectClose } from '../../fixtures.js';

const logits = [0.3, -1.2, 2, 1.5, 0.1, -0.4, -0.7, 0.9, 0.2, 2.2, -0.3, 0.8];
const classWeights = [0.5, 2, 1.25];

/** torch.nn.functional.cross_entropy of these logits (float64, PyTorch 2.13), labels 2, 0, 0, 1: loss and gradient. */
const cases: [LossOptions, number, number[]][] = [
  [
    {},
    1.36233078,
    [
      0.03732972, 0.00832939, -0.0456591, -0.07093814, 0.04415611, 0.02678203, -0.2202828, 0.14719027, 0.07309253,
      0.18815639, -0.23455518, 0.04639879,
    ],
  ],
  [
    { labelSmoothing: 0.1 },
    1.37983078,
    [
      0.02899638, -3.95e-6, -0.02899243, -0.05427148, 0.03582278, 0.0184487, -0.20361613, 0.13885694, 0.06475919,
      0.17982306, -0.21788852, 0.03806546,
    ],
  ],
  [
    { classWeights },
    1.65934027,
    [
      0.04391731, 0.00979928, -0.05371659, -0.03338266, 0.02077935, 0.01260331, -0.10366249, 0.06926601, 0.03439648,
      0.35417673, -0.44151564, 0.08733891,
    ],
  ],
  [
    { classWeights, labelSmoothing: 0.1 },
    1.69662163,
    [
      0.03999574, -0.005887, -0.03410875, -0.01289986, 0.00820997, 0.00468989, -0.09372167, 0.06396964, 0.02975203,
      0.33697354, -0.41123331, 0.07425978,
    ],
  ],
];

describe('the loss of classification', () => {
  it.each(cases)('with %j is that of PyTorch, with its gradient', async (options, loss, gradient) => {
    const x = input('x', 'float32', ['batch', 3]);
    const value = classificationObjective(options).loss(x);
    const session = await openSession({ loss: value, slope: grad(value, [x])[0]! }, { threads: 1 });
    const got = await session.run({
      x: { data: Float32Array.from(logits), shape: [4, 3] },
      labels: { data: BigInt64Array.of(2n, 0n, 0n, 1n), shape: [4] },
    });
    expect(Number(got.loss!.data[0])).toBeCloseTo(loss, 5);
    expectClose('gradient', got.slope!.data, gradient, { relative: 1e-5, floor: 1e-7 });
    await session.release();
  });
});
