import { describe, expect, it } from 'vitest';
import { loraPlan } from '../../src/adapters/methods/lora.js';
import type { EncodedExample } from '../../src/engine/batch.js';
import { adapterParameters, headParameters } from '../../src/engine/parameters.js';
import { predictLogits } from '../../src/infer/predictLogits.js';
import { randomStream } from '../../src/random.js';
import { type GramMatrices, gramMatrices, gramReport } from '../../src/selection/gram.js';
import { openTinyBert } from '../models/tinyBert.js';

const examples = (count: number, labels: number): EncodedExample[] =>
  Array.from({ length: count }, (_, index) => {
    const stream = randomStream(1, 'gram test', index);
    const ids = Int32Array.from({ length: 5 + (index % 3) }, () => 10 + stream.integer(150));
    return { inputIds: ids, tokenTypeIds: new Int32Array(ids.length), label: index % labels, index };
  });

const diagonal = (...values: number[]) =>
  Float64Array.from({ length: values.length ** 2 }, (_, i) =>
    i % (values.length + 1) === 0 ? values[i / (values.length + 1)]! : 0,
  );

describe('the report of a sum of Gram matrices', () => {
  const matrices: GramMatrices = {
    examples: 3,
    modules: [diagonal(1, 2, 4), diagonal(1, 0, 0), diagonal(0, 3, 0)],
    targets: [Float64Array.of(1, -1, 1)],
  };

  it('has the smallest eigenvalue, the condition and yᵀH⁻¹y/n of the modules that are kept', () => {
    // diag(2, 2, 4): 1/2 + 1/2 + 1/4 over 3.
    const report = gramReport(matrices, (m) => m < 2);
    expect(report.smallestEigenvalue).toBeCloseTo(2, 12);
    expect(report.condition).toBeCloseTo(2, 12);
    expect(report.complexity).toBeCloseTo(1.25 / 3, 12);
  });

  it('has no bound where the matrix is singular', () => {
    const report = gramReport(matrices, (m) => m === 1);
    expect(report.smallestEigenvalue).toBeCloseTo(0, 12);
    expect(report.complexity).toBe(Number.POSITIVE_INFINITY);
  });
});

describe('Gram matrices of per-example gradients', () => {
  it.each([2, 3])('are those of finite differences of the outputs, with %i classes', async (labels) => {
    const model = await openTinyBert(labels, 'tiny-bert-backbone');
    const options = { rank: 2, alpha: 4, seed: 1 };
    const head = await headParameters(model, 1);
    const sample = examples(4, labels);
    const { modules } = await gramMatrices(model, head, sample, {
      ...options,
      threads: 1,
    });
    expect(modules).toHaveLength(model.adaptable.length);

    const at = model.adaptable.findIndex(({ path }) => path.endsWith('layer.1.attention.self.value'));
    const plan = loraPlan(options, { own: model.adaptable, shared: [] });
    const adapters = await adapterParameters(plan, model, 1);
    const b = adapters.find(({ name }) => name === `${model.adaptable[at]!.path}.lora_B`)!;
    const logits = () => predictLogits(model, plan, [...adapters, ...head], sample, { threads: 1 });
    const outputs = labels === 2 ? [[-1, 1]] : [0, 1, 2].map((c) => [0, 1, 2].map((i) => (i === c ? 1 : 0)));
    const slopes: number[][] = [];
    for (let i = 0; i < b.values.length; i++) {
      b.values[i] = 0.05;
      const above = await logits();
      b.values[i] = -0.05;
      const below = await logits();
      b.values[i] = 0;
      slopes.push(Array.from(above, (value, k) => (value - below[k]!) / 0.1));
    }
    const expected = (i: number, j: number) =>
      outputs.reduce((sum, direction) => {
        const slope = (row: number, all: number[]) =>
          direction.reduce((part, weight, c) => part + weight * all[row * labels + c]!, 0);
        return sum + slopes.reduce((part, all) => part + slope(i, all) * slope(j, all), 0) / outputs.length;
      }, 0);
    const scale = expected(0, 0);
    for (let i = 0; i < 4; i++) {
      for (let j = 0; j < 4; j++)
        expect(Math.abs(modules[at]![4 * i + j]! - expected(i, j))).toBeLessThan(0.02 * scale);
    }
  });
});
