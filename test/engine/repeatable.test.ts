import { describe, expect, it } from 'vitest';
import { adamW, clipGlobalNorm } from '../../src/engine/adamw.js';
import { openGradientStep } from '../../src/engine/gradientStep.js';
import { adapterParameters, type Parameter } from '../../src/engine/parameters.js';
import type { Model } from '../../src/models/model.js';
import { openModel } from '../../src/models/registry.js';
import { readOracle } from '../fixtures.js';
import { type BatchKeys, batchOf, openTinyBert, planOf, savedClassifier } from '../models/tinyBert.js';
import { objectives } from '../objectives.js';

const oracle = await readOracle<{ readonly cases: readonly (BatchKeys & { readonly numLabels: number })[] }>('bert');
const batches = oracle.description.cases.filter(({ numLabels }) => numLabels === 3).map((one) => batchOf(oracle, one));

/** The tiny BERT with dropout, which its own config.json sets to 0. */
async function openDroppingBert(): Promise<Model> {
  const { checkpoint } = await openTinyBert();
  const config = { ...checkpoint.config, hidden_dropout_prob: 0.1, attention_probs_dropout_prob: 0.1 };
  return openModel({ ...checkpoint, config }, { numLabels: 3 });
}

async function openStep(parameters: readonly Parameter[], dropoutSeed: number | undefined) {
  const model = await openDroppingBert();
  return openGradientStep(model, {
    objective: objectives.classification,
    plan: planOf(model),
    parameters,
    wrt: parameters,
    ...(dropoutSeed === undefined ? {} : { dropoutSeed }),
    threads: 2,
    largestBatch: { batch: 4, seq: 64 },
  });
}

async function freshParameters(seed: number): Promise<Parameter[]> {
  const model = await openTinyBert();
  return [...(await adapterParameters(planOf(model), model, seed)), ...(await savedClassifier())];
}

/** Five steps of training with dropout; returns what was trained. */
async function train(seed: number): Promise<Parameter[]> {
  const parameters = await freshParameters(seed);
  const step = await openStep(parameters, seed);
  const optimizer = adamW(parameters);
  for (let i = 0; i < 5; i++) {
    await step.run(batches[i]!, i);
    optimizer.step(step.gradients, 1e-2, clipGlobalNorm(step.gradients, 1).factor);
  }
  await step.release();
  return parameters;
}

describe('training', () => {
  it('gives byte-identical parameters for the same seed', async () => {
    const [first, second] = [await train(1), await train(1)];
    for (const [i, { name, values }] of first.entries()) {
      expect(Buffer.from(values.buffer).equals(Buffer.from(second[i]!.values.buffer)), name).toBe(true);
    }
  });

  it('gives other parameters for another seed', async () => {
    const [first, second] = [await train(1), await train(2)];
    for (const [i, { name, values }] of first.entries()) expect(values, name).not.toEqual(second[i]!.values);
  });

  it('draws dropout by step, whatever ran before', async () => {
    const parameters = await freshParameters(1);
    const step = await openStep(parameters, 1);
    const batch = batches[0]!;
    const first = await step.run(batch, 3);
    const gradients = step.gradients.map((gradient) => gradient.slice());
    const other = await step.run(batch, 4);
    await step.run(batches[1]!, 9);
    expect(await step.run(batch, 3)).toBe(first);
    expect(step.gradients).toEqual(gradients);
    expect(other).not.toBe(first);
    await step.release();
  });

  it('loses differently with dropout than without', async () => {
    const parameters = await freshParameters(1);
    const [dropping, plain] = [await openStep(parameters, 1), await openStep(parameters, undefined)];
    const batch = batches[0]!;
    const exact = await plain.run(batch, 0);
    expect(await plain.run(batch, 1)).toBe(exact);
    expect(Math.abs((await dropping.run(batch, 0)) - exact)).toBeGreaterThan(1e-3);
    await Promise.all([dropping.release(), plain.release()]);
  });
});
