import { describe, expect, it } from 'vitest';
import { openCheckpoint } from '../../src/checkpoint/open.js';
import { estimateStepMemory } from '../../src/engine/memory.js';
import { adapterParameters, headParameters } from '../../src/engine/parameters.js';
import { openModel } from '../../src/models/registry.js';
import { oraclePath } from '../fixtures.js';
import { openTinyBert, planOf } from '../models/tinyBert.js';
import { objectives } from '../objectives.js';

async function tinyStep() {
  const model = await openTinyBert();
  const plan = planOf(model);
  const parameters = [...(await adapterParameters(plan, model, 1)), ...(await headParameters(model, 1))];
  return { model, options: { objective: objectives.classification, plan, parameters, wrt: parameters } };
}

describe('the estimate of a step', () => {
  it('counts four numbers for a trained one, one for another, and every frozen weight once', async () => {
    const { model, options } = await tinyStep();
    const largestBatch = { batch: 4, seq: 16 };
    const memory = estimateStepMemory(model, { ...options, largestBatch });
    const numbers = options.parameters.reduce((sum, { values }) => sum + values.length, 0);
    expect(memory.parameters).toBe(4 * 4 * numbers);
    expect(estimateStepMemory(model, { ...options, wrt: [], largestBatch }).parameters).toBe(4 * numbers);
    const { runtime, weights, parameters, activations, total } = memory;
    expect(total).toBe(runtime + weights + parameters + activations);
    // Of tables, the rows of 64 tokens.
    const tables = new Set(['word', 'token_type'].map((name) => `bert.embeddings.${name}_embeddings.weight`));
    const whole = [...model.backbone].filter(([name]) => !tables.has(name));
    const bytes = whole.map(([, name]) => model.checkpoint.tensors.get(name)!.shape.reduce((a, b) => a * b, 4));
    expect(weights).toBeGreaterThanOrEqual(bytes.reduce((sum, one) => sum + one, 0));
  });

  it('grows with the batch, and falls with gradient checkpointing', async () => {
    const { model, options } = await tinyStep();
    const at = (batch: number, gradientCheckpointing: boolean) =>
      estimateStepMemory(model, {
        ...options,
        gradientCheckpointing,
        dropoutSeed: 1,
        largestBatch: { batch, seq: 16 },
      });
    expect(at(16, false).activations / at(8, false).activations).toBeCloseTo(2, 1);
    expect(at(16, true).activations).toBeLessThan(0.7 * at(16, false).activations);
    expect(at(16, true).weights).toBe(at(16, false).weights);
    expect(at(16, true).parameters).toBe(at(16, false).parameters);
  });

  it('knows the sizes of a language model', async () => {
    const checkpoint = await openCheckpoint(oraclePath('families', 'gpt2'));
    const model = openModel(checkpoint, { taskType: 'CAUSAL_LM', numLabels: 1 });
    const plan = planOf(model);
    const parameters = await adapterParameters(plan, model, 1);
    const options = { objective: objectives.language, plan, parameters, wrt: parameters, dropoutSeed: 1 };
    const { activations } = estimateStepMemory(model, { ...options, largestBatch: { batch: 2, seq: 8 } });
    expect(activations).toBeGreaterThan(4 * 16 * model.vocabSize);
  });
});
