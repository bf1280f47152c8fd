import { beforeAll, describe, expect, it } from 'vitest';
import { loraA, loraB, loraPlan } from '../../src/adapters/methods/lora.js';
import { openCheckpoint } from '../../src/checkpoint/open.js';
import type { EncodedExample } from '../../src/engine/batch.js';
import { BatchStream } from '../../src/engine/batchStream.js';
import { openGradientStep } from '../../src/engine/gradientStep.js';
import { adapterParameters, headParameters } from '../../src/engine/parameters.js';
import { selectionSettingsOf } from '../../src/jobs/selectModules.js';
import { openModel } from '../../src/models/registry.js';
import { discretise } from '../../src/selection/discretise.js';
import { gridOf } from '../../src/selection/grid.js';
import type { SelectionContext } from '../../src/selection/method.js';
import { type SelectionName, selectionMethods } from '../../src/selection/registry.js';
import { parseTrainConfig } from '../../src/settings/config.js';
import { type Oracle, oraclePath, readOracle } from '../fixtures.js';
import { openTinyBert } from '../models/tinyBert.js';
import { objectives } from '../objectives.js';

/** test/oracle/placement.py; matrices are [layers][columns]. */
interface Placement {
  readonly examples: readonly (readonly number[])[];
  readonly labels: readonly number[];
  readonly featureNorms: readonly (readonly number[])[];
  readonly drawnFeatureNorms: readonly (readonly number[])[];
  readonly fisher: readonly (readonly number[])[];
  readonly gradients: readonly { readonly layer: number; readonly module: string; readonly gradient: string }[];
}

let oracle: Oracle<Placement>;
let context: SelectionContext;
beforeAll(async () => {
  oracle = await readOracle<Placement>('placement');
  const train = oracle.description.examples.map(
    (ids, index): EncodedExample => ({
      inputIds: Int32Array.from(ids),
      tokenTypeIds: new Int32Array(ids.length),
      label: oracle.description.labels[index]!,
      index,
    }),
  );
  const config = parseTrainConfig({ task: 'x', method: 'lora', rank: 4, batchSize: 3, threads: 1 }, 'test');
  context = {
    model: await openTinyBert(),
    objective: objectives.classification,
    halves: { train, validation: [] },
    halvesBy: () => ({ train, validation: [] }),
    settings: selectionSettingsOf(config, train.length),
    allowance: { scope: 'row', keep: 0.5, sizes: Array.from({ length: 3 }, () => Array(6).fill(1)) },
    phase: () => ({ update: () => {}, end: () => {} }),
  };
});

const select = async (name: SelectionName, settings: Partial<SelectionContext['settings']> = {}) =>
  (await selectionMethods[name].select({ ...context, settings: { ...context.settings, ...settings } })).values;

/** Largest difference to the expected matrix, as a share of the expected entry. */
function worst(values: readonly (readonly number[])[], expected: readonly (readonly number[])[]): number {
  return Math.max(...values.flatMap((row, l) => row.map((one, c) => Math.abs(one / expected[l]![c]! - 1))));
}

/** In every row the means of the columns, negative: what stands for a type of modules. */
const ofTypes = (matrix: readonly (readonly number[])[]) =>
  matrix.map((row) => row.map((_, c) => -matrix.reduce((sum, one) => sum + one[c]!, 0) / matrix.length));

describe('selection by PLoP', () => {
  it("gives every module of a type minus the mean of the type's feature norms, as PyTorch's hooks measure them", async () => {
    expect(worst(await select('plop'), ofTypes(oracle.description.featureNorms))).toBeLessThan(1e-6);
  });

  it('differs by less than 3 % from norms with a random input drawn 4,000 times in the place of its mean square', async () => {
    expect(worst(await select('plop'), ofTypes(oracle.description.drawnFeatureNorms))).toBeLessThan(0.03);
  });

  it('keeps the types of the lowest norms in every layer, whatever the scope', async () => {
    const values = await select('plop');
    // The means of the columns: 1.043, 0.976, 0.950, 0.939, 1.014, 1.043.
    for (const scope of ['row', 'global', 'column'] as const) {
      expect(discretise(values, { ...context.allowance, scope })).toEqual(Array(3).fill([0, 1, 1, 1, 0, 0]));
    }
  });
});

describe('selection by Fisher information', () => {
  it("measures the mean over examples of PyTorch's ‖∂L/∂W‖²", async () => {
    expect(worst(await select('fisher'), oracle.description.fisher)).toBeLessThan(1e-4);
  });

  it('does not depend on how examples are batched', async () => {
    expect(await select('fisher', { batchSize: 8 })).toEqual(await select('fisher', { batchSize: 2 }));
  });

  it('is the same where activations are computed again', async () => {
    expect(worst(await select('fisher', { gradientCheckpointing: true }), await select('fisher'))).toBeLessThan(1e-5);
  });

  it('is refused where a loss has no single examples', async () => {
    const objective = { ...objectives.classification, parts: 'never' as const };
    await expect(selectionMethods.fisher.select({ ...context, objective })).rejects.toThrow(
      'Fisher information is of single examples, and this loss is of whole batches.',
    );
  });
});

describe('selection by PAGE', () => {
  it("measures s² ‖G Aᵀ‖², G PyTorch's gradient by W0 and A that of a fresh adapter", async () => {
    const { model, settings } = context;
    const values = await select('page', { batchSize: 8 });
    const plan = loraPlan(settings, { own: model.adaptable, shared: [] });
    const initial = await plan.initial(model, settings.seed);
    const scaling = settings.alpha / settings.rank;
    for (const { layer, module, gradient } of oracle.description.gradients) {
      const path = model.adaptable.find((one) => one.layer === layer && one.module === module)!.path;
      const [a, { data, shape }] = [initial.get(loraA(path))!, oracle.at(gradient)];
      const [out, inner] = shape as [number, number];
      let energy = 0;
      for (let row = 0; row < out; row++) {
        for (let k = 0; k < settings.rank; k++) {
          let entry = 0;
          for (let i = 0; i < inner; i++) entry += Number(data[row * inner + i]) * a[k * inner + i]!;
          energy += (scaling * entry) ** 2;
        }
      }
      expect(gridOf(model).at(values, { layer, module }) / energy).toBeCloseTo(1, 4);
    }
  });

  it('sums squares over batches: what cancels in their mean counts', async () => {
    const { model, settings, halves, objective } = context;
    const plan = loraPlan(settings, { own: model.adaptable, shared: [] });
    const adapters = await adapterParameters(plan, model, settings.seed);
    const wrt = model.adaptable.map(({ path }) => adapters.find(({ name }) => name === loraB(path))!);
    const batches = new BatchStream(halves.train, { ...settings, objective, padTokenId: model.padTokenId });
    const step = await openGradientStep(model, {
      objective,
      plan,
      parameters: [...adapters, ...(await headParameters(model, settings.seed))],
      wrt,
      threads: 1,
      largestBatch: batches.largest,
    });
    const sums = wrt.map(() => 0);
    for (let i = 0; i < batches.stepsPerEpoch; i++) {
      await step.run(batches.at(i), i);
      for (const [w, gradient] of step.gradients.entries()) {
        sums[w]! += gradient.reduce((total, value) => total + value * value, 0);
      }
    }
    await step.release();
    expect(batches.stepsPerEpoch).toBe(3);
    expect(worst(await select('page'), gridOf(model).matrix(sums))).toBeLessThan(1e-5);
  });
});

describe.each(['deberta-v3', 'distilbert', 'gpt2', 'llama'])('on the family %s', (family) => {
  it('norms of features are near 1 with random weights, and energies are above 0', async () => {
    const model = await openModel(await openCheckpoint(oraclePath('families', family)), { numLabels: 3 });
    const ids = [5, 9, 7, 12, 6];
    const train = [0, 1, 2, 0].map(
      (label, index): EncodedExample => ({
        inputIds: Int32Array.from(ids, (id) => id + index),
        tokenTypeIds: new Int32Array(ids.length),
        label,
        index,
      }),
    );
    const of = async (name: SelectionName) =>
      (await selectionMethods[name].select({ ...context, model, halves: { train, validation: [] } })).values.flat();
    expect((await of('plop')).every((value) => -value > 0.8 && -value < 1.1)).toBe(true);
    for (const name of ['fisher', 'page'] as const) expect((await of(name)).every((value) => value > 0)).toBe(true);
  });
});
