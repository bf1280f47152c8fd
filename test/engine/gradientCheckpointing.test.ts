import { describe, expect, it } from 'vitest';
import type { Where } from '../../src/adapters/plan.js';
import { type AdapterMethod, adapterMethodNames, adapterMethods } from '../../src/adapters/registry.js';
import { openCheckpoint } from '../../src/checkpoint/open.js';
import type { Batch } from '../../src/engine/batch.js';
import { type GradientStepOptions, openGradientStep } from '../../src/engine/gradientStep.js';
import { adapterParameters, headParameters, parameter, trainedOf } from '../../src/engine/parameters.js';
import type { Model, TaskType } from '../../src/models/model.js';
import { openModel } from '../../src/models/registry.js';
import { randomStream } from '../../src/random.js';
import { moduleGates } from '../../src/selection/moduleGates.js';
import { adapterMethodName, parseTrainConfig, type TrainConfigInput } from '../../src/settings/config.js';
import { oraclePath } from '../fixtures.js';
import { classifyingFamilies, layeredAsOthers } from '../models/classifyingFamilies.js';
import { nightly } from '../nightly.js';
import { type ObjectiveName, objectives } from '../objectives.js';

// In full at night: variants of a family, and of LLaMA and BERT, differ in what a layer computes, not in how layers follow one another.
const families = await classifyingFamilies(
  (name) => nightly || !(name.includes('-') || layeredAsOthers.has(name)) || name === 'deberta-v3',
);

/** Heads with tensors of their own. */
type HeadType = Exclude<TaskType, 'FEATURE_EXTRACTION'>;

const kinds: Readonly<Record<HeadType, ObjectiveName>> = {
  SEQ_CLS: 'classification',
  TOKEN_CLS: 'tokens',
  QUESTION_ANS: 'span',
  CAUSAL_LM: 'language',
  MASKED_LM: 'masked',
  SEQ_2_SEQ_LM: 'seq2seq',
};

async function open(family: string, taskType: HeadType): Promise<Model> {
  return openModel(await openCheckpoint(oraclePath('families', family)), { taskType, numLabels: 3 });
}

/** Adapters and head with random numbers added, so that no gradient is zero because B is. */
async function trained(model: Model, settings: Partial<TrainConfigInput>, where?: Where) {
  const all = { task: 'x', rank: 4, reduction: 4, ...settings };
  const config = parseTrainConfig(all, 'test', { idle: 'drop' }).method;
  const method: AdapterMethod = adapterMethods[adapterMethodName(config)];
  const plan = method.plan(config, where ?? { own: model.adaptable, shared: [] }, model);
  const fresh = [...(await adapterParameters(plan, model, 1)), ...(await headParameters(model, 1))];
  const parameters = fresh.map((one) => {
    const stream = randomStream(1, 'test', one.name);
    return { ...one, values: one.values.map((value) => value + 0.1 * stream.normal()) };
  });
  return { plan, parameters };
}

/** Two sequences of 7 tokens, the second with padding. */
function batchFor({ numLabels, vocabSize, taskType }: Model): Batch {
  const stream = randomStream(1, 'test batch');
  const [batchSize, sequenceLength] = [2, 7];
  const count = batchSize * sequenceLength;
  const integers = (length: number, below: number) =>
    BigInt64Array.from({ length }, () => BigInt(stream.integer(below)));
  const spans = Float32Array.from({ length: 2 * count }, (_, i) => (i % sequenceLength === 2 ? 1 : 0));
  const ofTokens = { data: integers(5, vocabSize), shape: [5], rows: BigInt64Array.of(1n, 3n, 5n, 8n, 10n) };
  const labels = {
    SEQ_CLS: { data: integers(batchSize, numLabels), shape: [batchSize] },
    TOKEN_CLS: { data: integers(count, numLabels), shape: [count] },
    QUESTION_ANS: { data: spans, shape: [batchSize, 2, sequenceLength] },
    CAUSAL_LM: ofTokens,
    MASKED_LM: ofTokens,
    SEQ_2_SEQ_LM: ofTokens,
  }[taskType as HeadType];
  return {
    batchSize,
    sequenceLength,
    inputIds: BigInt64Array.from({ length: count }, () => BigInt(3 + stream.integer(vocabSize - 3))),
    attentionMask: BigInt64Array.from({ length: count }, (_, i) => (i < 12 ? 1n : 0n)),
    tokenTypeIds: new BigInt64Array(count),
    labels,
    indices: [0, 1],
  };
}

type Step = Pick<GradientStepOptions, 'plan' | 'parameters' | 'gates'>;

async function gradientsOf(model: Model, options: Step, on: boolean) {
  const step = await openGradientStep(model, {
    objective: objectives[kinds[model.taskType as HeadType]],
    wrt: trainedOf(options.parameters),
    dropoutSeed: 1,
    dropoutRate: 0.2,
    gradientCheckpointing: on,
    threads: 1,
    largestBatch: { batch: 2, seq: 7 },
    ...options,
  });
  try {
    const loss = await step.run(batchFor(model), 3);
    return { loss, gradients: step.gradients.map((gradient) => gradient.slice()) };
  } finally {
    await step.release();
  }
}

/** Norm of the difference over the norm; the same bits give 0. */
async function expectSameGradients(model: Model, options: Step, relative: number): Promise<void> {
  const [plain, checkpointed] = [await gradientsOf(model, options, false), await gradientsOf(model, options, true)];
  expect(checkpointed.loss).toBe(plain.loss);
  for (const [i, { name }] of trainedOf(options.parameters).entries()) {
    const [expected, got] = [plain.gradients[i]!, checkpointed.gradients[i]!];
    const difference = Math.hypot(...got.map((value, k) => value - expected[k]!));
    expect(difference, name).toBeLessThanOrEqual(relative * Math.hypot(...expected));
  }
}

describe.each(families)('%s: the same gradients with and without gradient checkpointing, dropout on', (family) => {
  it.each(nightly ? (['lora', 'houlsby'] as const) : (['lora'] as const))('%s', async (method) => {
    const model = await open(family, 'SEQ_CLS');
    await expectSameGradients(model, await trained(model, { method, loraDropout: 0.1 }), 1e-6);
  });
});

it.each(adapterMethodNames)('%s on BERT: the same bits', async (method) => {
  const model = await open('bert', 'SEQ_CLS');
  await expectSameGradients(model, await trained(model, { method, loraDropout: 0.1 }), 0);
});

it.each([
  ['bert', 'TOKEN_CLS'],
  ['bert', 'QUESTION_ANS'],
  ['gpt2', 'QUESTION_ANS'],
  ['gpt2', 'CAUSAL_LM'],
  ['llama', 'CAUSAL_LM'],
] as const)('%s, %s: the same bits', async (family, taskType) => {
  const model = await open(family, taskType);
  await expectSameGradients(model, await trained(model, { method: 'lora' }), 0);
});

it('the gates of a search, and pairs that layers share: the same bits', async () => {
  const model = await open('bert', 'SEQ_CLS');
  const where = {
    own: model.adaptable.filter(({ module }) => module.includes('dense')),
    shared: model.adaptable.filter(({ module }) => module.includes('self')),
  };
  const { plan, parameters } = await trained(model, { method: 'lora' }, where);
  const gates = parameter('gates', [model.layers, model.modules.length], new Float32Array(6 * model.layers).fill(0.7));
  const moduleGatesOf: GradientStepOptions['gates'] = (inputs) => moduleGates(model, inputs.get(gates.name)!);
  await expectSameGradients(model, { plan, parameters: [...parameters, gates], gates: moduleGatesOf }, 0);
});

it('adapters in the upper layer alone: the same bits', async () => {
  const model = await open('bert', 'SEQ_CLS');
  const where = { own: model.adaptable.filter(({ layer }) => layer === model.layers - 1), shared: [] };
  await expectSameGradients(model, await trained(model, { method: 'lora' }, where), 0);
});
