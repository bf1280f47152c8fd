import { beforeAll, describe, expect, it } from 'vitest';
import { loraPlan } from '../../src/adapters/methods/lora.js';
import { BatchStream } from '../../src/engine/batchStream.js';
import { openGradientStep } from '../../src/engine/gradientStep.js';
import { headParameters, parameter } from '../../src/engine/parameters.js';
import { selectionSettingsOf } from '../../src/jobs/selectModules.js';
import { jointRun } from '../../src/selection/jointRun.js';
import type { SelectionContext } from '../../src/selection/method.js';
import { selectionMethods, selectionNames } from '../../src/selection/registry.js';
import { parseTrainConfig } from '../../src/settings/config.js';
import { openTinyBert } from '../models/tinyBert.js';
import { objectives } from '../objectives.js';
import { examples } from './examples.js';

let context: SelectionContext;
beforeAll(async () => {
  const model = await openTinyBert(3, 'tiny-bert-backbone');
  const config = parseTrainConfig({ task: 'x', method: 'lora', rank: 32, lr: 1e-2, batchSize: 6, threads: 1 }, 'test');
  context = {
    model,
    objective: objectives.classification,
    halves: { train: examples(24, 'a'), validation: examples(24, 'b') },
    halvesBy: (seed) => ({ train: examples(24, `a${seed}`), validation: examples(24, `b${seed}`) }),
    settings: { ...selectionSettingsOf(config, 24), steps: 4 },
    allowance: { scope: 'row', keep: 0.5, sizes: Array.from({ length: 3 }, () => Array(6).fill(1)) },
    phase: () => ({ update: () => {}, end: () => {} }),
  };
});

const measureOf = (values: number[][], index: number) => {
  const { layer, module } = context.model.adaptable[index]!;
  return values[layer]![context.model.modules.indexOf(module)]!;
};

describe('selection by gradient norms', () => {
  it('measures ‖∂L/∂W0‖ where no rank is cut off: the slope of B with A = 1', async () => {
    const { values } = await selectionMethods['gradient-norm'].select(context);
    const { model, settings, halves } = context;
    const square = model.adaptable.filter(({ inFeatures, outFeatures }) => inFeatures === 32 && outFeatures === 32);
    const plan = loraPlan({ rank: 32, alpha: 32 }, { own: square, shared: [] });
    const parameters = plan.tensors.map(({ name, shape }) => {
      const isIdentity = name.endsWith('lora_A');
      return parameter(
        name,
        shape,
        Float32Array.from({ length: 1024 }, (_, i) => (isIdentity && i % 33 === 0 ? 1 : 0)),
      );
    });
    const batches = new BatchStream(halves.train, {
      ...settings,
      objective: objectives.classification,
      padTokenId: model.padTokenId,
    });
    const wrt = parameters.filter(({ name }) => name.endsWith('lora_B'));
    const step = await openGradientStep(model, {
      objective: objectives.classification,
      plan,
      parameters: [...parameters, ...(await headParameters(model, settings.seed))],
      wrt,
      threads: 1,
      largestBatch: batches.largest,
    });
    const sums = wrt.map(() => new Float64Array(1024));
    for (let i = 0; i < batches.stepsPerEpoch; i++) {
      await step.run(batches.at(i), i);
      for (const [w, sum] of sums.entries()) for (let j = 0; j < 1024; j++) sum[j]! += step.gradients[w]![j]!;
    }
    for (const [w, sum] of sums.entries()) {
      const norm = Math.sqrt(sum.reduce((total, value) => total + value * value, 0)) / batches.stepsPerEpoch;
      const index = model.adaptable.indexOf(square[w]!);
      expect(measureOf(values, index) / norm).toBeCloseTo(1, 4);
    }
    await step.release();
  });
});

describe('selection by leaving one out', () => {
  it('measures the rise of the validation loss without the adapter of a module', async () => {
    const { values } = await selectionMethods['leave-one-out'].select(context);
    const { model, settings, halves } = context;
    const { parameters } = await jointRun(context);
    const batches = new BatchStream(halves.validation, {
      ...settings,
      objective: objectives.classification,
      padTokenId: model.padTokenId,
    });
    const lossWithout = async (left: number | undefined) => {
      const own = model.adaptable.filter((_, i) => i !== left);
      const step = await openGradientStep(model, {
        objective: objectives.classification,
        plan: loraPlan(settings, { own, shared: [] }),
        parameters,
        wrt: [],
        threads: 1,
        largestBatch: batches.largest,
      });
      let sum = 0;
      for (let i = 0; i < batches.stepsPerEpoch; i++) sum += await step.run(batches.at(i), i);
      await step.release();
      return sum / batches.stepsPerEpoch;
    };
    const whole = await lossWithout(undefined);
    for (const index of [0, 7, 17]) {
      expect(measureOf(values, index)).toBeCloseTo((await lossWithout(index)) - whole, 5);
    }
  });
});

describe('selection by output norms', () => {
  it('is 0 for modules whose adapters have not moved, and above it for the others', async () => {
    const still = { ...context, settings: { ...context.settings, lr: Number.MIN_VALUE } };
    expect((await selectionMethods['output-norm'].select(still)).values.flat().every((value) => value === 0)).toBe(
      true,
    );
    const { values } = await selectionMethods['output-norm'].select(context);
    expect(values.flat().every((value) => value > 0)).toBe(true);
  });
});

describe.each(selectionNames)('%s', (name) => {
  it('gives the same choice for the same seed, from the training data alone', async () => {
    const small = { ...context, settings: { ...context.settings, rank: 2, alpha: 4 } };
    const [one, again] = [await selectionMethods[name].select(small), await selectionMethods[name].select(small)];
    expect(again.values).toEqual(one.values);
    expect(one.values.map((row) => row.length)).toEqual([6, 6, 6]);
    expect(one.values.flat().every(Number.isFinite)).toBe(true);
  });
});

describe('random selection', () => {
  it('depends on the seed', async () => {
    const of = async (seed: number) =>
      (await selectionMethods.random.select({ ...context, settings: { ...context.settings, seed } })).values;
    expect(await of(1)).not.toEqual(await of(2));
  });
});
