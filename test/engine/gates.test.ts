import { describe, expect, it } from 'vitest';
import { openGradientStep } from '../../src/engine/gradientStep.js';
import { parameter, withHeadTraining } from '../../src/engine/parameters.js';
import type { Tensor } from '../../src/graph/index.js';
import type { Model } from '../../src/models/model.js';
import { moduleGates } from '../../src/selection/moduleGates.js';
import { type Relaxation, relax } from '../../src/selection/relax.js';
import { openMixedDerivative, openUnrolledGradient } from '../../src/selection/unrolled.js';
import { expectClose, readOracle, type TensorKeys } from '../fixtures.js';
import { type BatchKeys, batchOf, openTinyBert, parametersOf, planOf } from '../models/tinyBert.js';
import { objectives } from '../objectives.js';

interface GatesDescription extends BatchKeys {
  readonly columns: readonly string[];
  /** Logits of the matrix, [3, 6]. */
  readonly logits: string;
  readonly weights: TensorKeys;
  readonly direction: TensorKeys;
  readonly cases: readonly {
    readonly name: Relaxation;
    readonly gamma: string;
    readonly loss: number;
    readonly logitsGradient: string;
    readonly mixedGradient: string;
    readonly gradients: TensorKeys;
  }[];
}

const oracle = await readOracle<GatesDescription>('gates');
const { description } = oracle;
const batch = batchOf(oracle, description);
const gradientTolerance = { relative: 1e-3, floor: 1e-5 };
const groups = [0, 1, 2].map((layer) => ({ entries: [0, 1, 2, 3, 4, 5].map((i) => 6 * layer + i), kept: 3 }));

/** The trained weights, and the gates that the logits give. */
function relaxedModel(model: Model, relaxation: Relaxation) {
  const weights = parametersOf(oracle.all(description.weights));
  const { data, shape } = oracle.at(description.logits);
  const relaxed = relax(relaxation, Array.from(data, Number), groups);
  const gates = parameter('dam.gates', shape, Float32Array.from(relaxed.gates));
  const gateTensors = (inputs: ReadonlyMap<string, Tensor>) => moduleGates(model, inputs.get(gates.name)!);
  return { weights, gates, relaxed, gateTensors };
}

describe.each(description.cases.map((one) => [one.name, one] as const))(
  'the relaxed matrix by %s, against PyTorch',
  (name, one) => {
    it('has a row for each layer and a column for each module, in the order of the fixture', async () => {
      const model = await openTinyBert();
      expect(model.modules).toEqual(description.columns);
      const { relaxed } = relaxedModel(model, name);
      expectClose('gamma', relaxed.gates, oracle.at(one.gamma).data, { relative: 1e-5, floor: 0 });
    });

    it('gives the loss and its gradients by the logits and by every trained weight', async () => {
      const model = await openTinyBert();
      const { weights, gates, relaxed, gateTensors } = relaxedModel(model, name);
      const parameters = [gates, ...weights];
      const step = await openGradientStep(model, {
        objective: objectives.classification,
        plan: planOf(model),
        parameters,
        wrt: parameters,
        gates: gateTensors,
        threads: 1,
        largestBatch: { batch: 4, seq: 10 },
      });
      expectClose('loss', [await step.run(batch, 0)], [one.loss], { relative: 1e-5, floor: 0 });
      const [byGates, ...byWeights] = step.gradients;
      const byLogits = relaxed.pullback(byGates!);
      expectClose('by the logits', byLogits, oracle.at(one.logitsGradient).data, gradientTolerance);
      expect(weights.map((weight) => weight.name).sort()).toEqual(Object.keys(one.gradients).sort());
      for (const [i, weight] of weights.entries()) {
        expectClose(weight.name, byWeights[i]!, oracle.at(one.gradients[weight.name]!).data, gradientTolerance);
      }
      await step.release();
    });

    it('gives the mixed second derivative of an unrolled search step: ∂/∂logits of Σ ⟨∂loss/∂weight, direction⟩', async () => {
      const model = await openTinyBert();
      const { relaxed, ...parts } = relaxedModel(model, name);
      const mixed = await openMixedDerivative(model, {
        ...parts,
        objective: objectives.classification,
        plan: planOf(model),
        threads: 1,
      });
      const direction = parts.weights.map((weight) =>
        Float32Array.from(oracle.at(description.direction[weight.name]!).data, Number),
      );
      const byLogits = relaxed.pullback(await mixed.run(batch, direction));
      expectClose('mixed', byLogits, oracle.at(one.mixedGradient).data, gradientTolerance);
      await mixed.release();
    });
  },
);

describe('the second-order gradient', () => {
  it.each([
    ['', undefined],
    [', the head three times as fast', 0.3],
  ])('is that of the validation loss after a step of the weights%s, by finite differences', async (_, headLr) => {
    const model = await openTinyBert();
    const { weights: alike, gates, gateTensors } = relaxedModel(model, 'sigmoid');
    const options = {
      objective: objectives.classification,
      plan: planOf(model),
      threads: 1,
      largestBatch: { batch: 4, seq: 10 },
    };
    const rate = 0.1;
    const weights = withHeadTraining(alike, model.head, { lr: rate, headLr });
    const validation = { ...batch, labels: { ...batch.labels!, data: BigInt64Array.from([0n, 2n, 1n, 1n]) } };
    const unrolled = await openUnrolledGradient(model, { ...options, weights, gates, gateTensors });
    const before = weights.map(({ values }) => values.slice());
    await unrolled.run([[validation]], [[batch]], rate);
    expect(weights.map(({ values }) => values)).toEqual(before);
    const found = unrolled.gradient.slice();

    const step = await openGradientStep(model, {
      ...options,
      parameters: [gates, ...weights],
      wrt: weights,
      gates: gateTensors,
    });
    const lossAfterStep = async () => {
      await step.run(batch, 0);
      for (const [w, { values, rateFactor = 1 }] of weights.entries()) {
        for (let i = 0; i < values.length; i++) values[i]! -= rate * rateFactor * step.gradients[w]![i]!;
      }
      const loss = await step.run(validation, 0);
      for (const [w, { values }] of weights.entries()) values.set(before[w]!);
      return loss;
    };
    const largest = Math.max(...found.map(Math.abs));
    for (const i of [0, 5, 9, 14, 17]) {
      const middle = gates.values[i]!;
      gates.values[i] = middle + 0.005;
      const above = await lossAfterStep();
      gates.values[i] = middle - 0.005;
      const below = await lossAfterStep();
      gates.values[i] = middle;
      // Losses are float32: some 1e-7 of error over a step of 0.01.
      expect(Math.abs(found[i]! - (above - below) / 0.01)).toBeLessThan(0.02 * largest + 1e-5);
    }
    await step.release();
    await unrolled.release();
  });
});
