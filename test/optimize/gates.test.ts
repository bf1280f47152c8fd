import { describe, expect, it } from 'vitest';
import { grad, input, ops, type Tensor } from '../../src/graph/index.js';
import type { Model } from '../../src/models/model.js';
import { openGradientStep } from '../../src/optimize/gradientStep.js';
import { taskLoss } from '../../src/optimize/loss.js';
import { batchFeeds, modelLogits } from '../../src/optimize/modelGraph.js';
import { parameter, parameterFeeds, parameterInputs } from '../../src/optimize/parameters.js';
import { openSession } from '../../src/runtime/session.js';
import { type Relaxation, relaxedGates } from '../../src/selection/relax.js';
import { moduleGates } from '../../src/selection/search.js';
import { expectClose, readOracle, type TensorKeys } from '../fixtures.js';
import { type BatchKeys, batchOf, openTinyBert, parametersOf, planOf } from '../models/tinyBert.js';

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

/** The trained weights and the logits of the matrix, and the gates that the logits give. */
function relaxedModel(model: Model, relaxation: Relaxation) {
  const weights = parametersOf(oracle.all(description.weights));
  const { data, shape } = oracle.at(description.logits);
  const logits = parameter('dam.logits', shape, Float32Array.from(data, Number));
  const gates = (inputs: ReadonlyMap<string, Tensor>) =>
    moduleGates(model, relaxedGates(inputs.get(logits.name)!, relaxation));
  return { weights, logits, gates };
}

describe.each(description.cases.map((one) => [one.name, one] as const))(
  'the relaxed matrix by %s, against PyTorch',
  (name, one) => {
    it('has a row for each layer and a column for each module, in the order of the fixture', async () => {
      const model = await openTinyBert();
      expect(model.modules).toEqual(description.columns);
      const { logits } = relaxedModel(model, name);
      const session = await openSession(
        { gamma: relaxedGates(input('logits', 'float32', logits.shape), name) },
        { threads: 1 },
      );
      const { gamma } = await session.run({ logits: { data: logits.values, shape: logits.shape } });
      expectClose('gamma', gamma!.data, oracle.at(one.gamma).data, { relative: 1e-5, floor: 0 });
      await session.release();
    });

    it('gives the loss and its gradients by the logits and by every trained weight', async () => {
      const model = await openTinyBert();
      const { weights, logits, gates } = relaxedModel(model, name);
      const parameters = [logits, ...weights];
      const step = await openGradientStep(model, {
        kind: 'classification',
        plan: planOf(model),
        parameters,
        wrt: parameters,
        gates,
        threads: 1,
        largestBatch: { batch: 4, seq: 10 },
      });
      expectClose('loss', [await step.run(batch, 0)], [one.loss], { relative: 1e-5, floor: 0 });
      const [byLogits, ...byWeights] = step.gradients;
      expectClose('by the logits', byLogits!, oracle.at(one.logitsGradient).data, gradientTolerance);
      expect(weights.map((weight) => weight.name).sort()).toEqual(Object.keys(one.gradients).sort());
      for (const [i, weight] of weights.entries()) {
        expectClose(weight.name, byWeights[i]!, oracle.at(one.gradients[weight.name]!).data, gradientTolerance);
      }
      await step.release();
    });

    it('gives the mixed second derivative of an unrolled search step: ∂/∂logits of Σ ⟨∂loss/∂weight, direction⟩', async () => {
      const model = await openTinyBert();
      const { weights, logits, gates } = relaxedModel(model, name);
      const inputs = parameterInputs([logits, ...weights]);
      const scores = modelLogits(model, { plan: planOf(model), parameters: inputs, gate: gates(inputs) });
      const first = grad(
        taskLoss(scores, 'classification'),
        weights.map((weight) => inputs.get(weight.name)!),
      );
      const along = weights
        .map((weight, i) => ops.mul(first[i]!, input(`direction ${weight.name}`, 'float32', weight.shape)))
        .map((product) => ops.sum(product, { axes: product.shape.map((_, axis) => axis), keepDims: false }))
        .reduce((total, part) => ops.add(total, part));
      const [mixed] = grad(along, [inputs.get(logits.name)!]);
      const session = await openSession({ mixed: mixed! }, { threads: 1 });
      const directions = Object.entries(description.direction).map(([key, tensor]) => [
        `direction ${key}`,
        oracle.at(tensor),
      ]);
      const got = await session.run({
        ...parameterFeeds([logits, ...weights]),
        ...batchFeeds(batch, true),
        ...Object.fromEntries(directions),
      });
      expectClose('mixed', got.mixed!.data, oracle.at(one.mixedGradient).data, gradientTolerance);
      await session.release();
    });
  },
);
