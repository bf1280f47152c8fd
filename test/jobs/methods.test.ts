import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { mergedTensors } from '../../src/adapters/mergedTensors.js';
import { type AdapterPlan, noAdapters } from '../../src/adapters/plan.js';
import { type AdapterMethodName, adapterMethodNames, adapterMethods } from '../../src/adapters/registry.js';
import { openAdapter, placeAdapter, saveAdapter } from '../../src/artifacts/adapterFolder.js';
import { openCheckpoint } from '../../src/checkpoint/open.js';
import { readSafetensorsHeader } from '../../src/checkpoint/safetensors.js';
import type { EncodedExample } from '../../src/engine/batch.js';
import { adapterParameters, headParameters, type Parameter, parameter } from '../../src/engine/parameters.js';
import { trainParameters } from '../../src/engine/training.js';
import { predictLogits } from '../../src/infer/predictLogits.js';
import type { Model } from '../../src/models/model.js';
import { openModel } from '../../src/models/registry.js';
import { backboneTensor } from '../../src/models/weights.js';
import { randomStream } from '../../src/random.js';
import { parseTrainConfig } from '../../src/settings/config.js';
import { expectClose, oraclePath } from '../fixtures.js';
import { lettersTask as task } from '../models/lettersTask.js';
import { objectives } from '../objectives.js';

const architectures = ['tiny-bert-backbone', 'families/gpt2', 'families/deberta-v3'] as const;
const labels = 3;

const examples: EncodedExample[] = Array.from({ length: 12 }, (_, index) => {
  const stream = randomStream(1, 'methods test', index);
  const ids = Int32Array.from({ length: 4 + stream.integer(4) }, () => 5 + stream.integer(20));
  return { inputIds: ids, tokenTypeIds: new Int32Array(ids.length), label: index % labels, index };
});

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'diffora-methods-'));
});
afterAll(() => rm(folder, { recursive: true }));

async function open(architecture: string): Promise<Model> {
  return openModel(await openCheckpoint(oraclePath(...architecture.split('/'))), { numLabels: labels, head: 'all' });
}

function planOf(method: AdapterMethodName, model: Model): AdapterPlan {
  const config = parseTrainConfig(
    {
      task: 'x',
      method,
      rank: method === 'vera' ? 6 : 2,
      adaloraTinit: 1,
      adaloraTfinal: 2,
      adaloraDeltaT: 1,
      reduction: 4,
    },
    'test',
    { idle: 'drop' },
  ).method;
  const where = adapterMethods[method].places === 'itself' ? [] : model.adaptable;
  return adapterMethods[method].plan(config, { own: where, shared: [] }, model);
}

interface Trained {
  readonly model: Model;
  readonly plan: AdapterPlan;
  readonly fresh: readonly Parameter[];
  readonly parameters: readonly Parameter[];
}

async function train(method: AdapterMethodName, architecture: string): Promise<Trained> {
  const model = await open(architecture);
  const plan = planOf(method, model);
  const start = async () => [...(await adapterParameters(plan, model, 1)), ...(await headParameters(model, 1))];
  const parameters = await start();
  await trainParameters(model, plan, parameters, examples, {
    objective: objectives.classification,
    steps: () => 6,
    batchSize: 6,
    seed: 1,
    learningRate: 0.05,
    weightDecay: 0,
    warmupRatio: 0,
    maxGradNorm: 1,
    dropoutRate: 0,
    threads: 1,
  });
  return { model, plan, fresh: await start(), parameters };
}

const logitsOf = (model: Model, plan: AdapterPlan, parameters: readonly Parameter[]) =>
  predictLogits(model, plan, parameters, examples, { threads: 1 });
const close = { relative: 1e-4, floor: 1e-4 };

const cases = adapterMethodNames.flatMap((method) => architectures.map((one) => [method, one] as const));

describe.each(cases)('%s on %s', (method, architecture) => {
  let trained: Trained;
  beforeAll(async () => {
    trained = await train(method, architecture);
  });
  const headOf = (parameters: readonly Parameter[]) =>
    parameters.filter(({ name }) => trained.model.head.some((one) => one.name === name));

  it('changes nothing when it is fresh', async () => {
    const { model, plan, fresh } = trained;
    const base = await logitsOf(model, noAdapters, headOf(fresh));
    expectClose('logits', await logitsOf(model, plan, fresh), base, { relative: 1e-5, floor: 1e-5 });
  });

  it('moves its own tensors and the head in training, and no other', () => {
    const { fresh, parameters, plan } = trained;
    const moved = parameters.filter(({ values }, i) => values.some((value, k) => value !== fresh[i]!.values[k]));
    const frozen = plan.tensors.filter((one) => one.frozen === true).map(({ name }) => name);
    expect(moved.map(({ name }) => name).filter((name) => frozen.includes(name))).toEqual([]);
    // Some tensors have no slope: those of the head aside, at least half of the method's must have moved.
    expect(moved.length).toBeGreaterThan((parameters.length - frozen.length) / 2);
    expect(parameters.flatMap(({ values }) => Array.from(values)).every(Number.isFinite)).toBe(true);
  });

  it('gives another model than the base, which is there again when the adapter is off', async () => {
    const { model, plan, parameters, fresh } = trained;
    const head = headOf(parameters);
    const [adapted, base] = [await logitsOf(model, plan, parameters), await logitsOf(model, noAdapters, head)];
    const difference = Math.max(...adapted.map((value, i) => Math.abs(value - base[i]!)));
    if (method === 'head') expect(difference).toBe(0);
    else expect(difference).toBeGreaterThan(1e-3);
    const before = await logitsOf(model, noAdapters, headOf(fresh));
    expect(await logitsOf(await open(architecture), noAdapters, headOf(fresh))).toEqual(before);
  });

  it('is the same merged into the weights (1e-4), where weights can hold it', async () => {
    const { model, plan, parameters } = trained;
    if (plan.endSubLayer !== undefined) return expect(plan.mergedWeight).toBeUndefined();
    const values = (name: string) => parameters.find((one) => one.name === name)!.values;
    const merged: Parameter[] = [];
    for (const placement of plan.placements) {
      for (const [name, data] of await mergedTensors(plan, model, placement, values)) {
        merged.push(parameter(name, backboneTensor(model, name).shape, data));
      }
    }
    const kept = parameters.filter(({ name }) => plan.replaced.includes(name));
    const plain = await logitsOf(model, noAdapters, [...merged, ...kept, ...headOf(parameters)]);
    expectClose('logits', plain, await logitsOf(model, plan, parameters), close);
  });

  it('is saved without a weight of the base that it did not train, and is the same when loaded', async () => {
    const { model, plan, parameters } = trained;
    const path = join(folder, `${method}-${architecture.replace('/', '-')}`);
    const options = {
      task,
      tokenizer: { files: [] } as never,
      maxLength: 16,
      baseModel: 'tiny',
      totalSteps: 6,
      paragraphs: [],
      scores: {},
    };
    await saveAdapter(path, model, plan, parameters, options);
    const { tensors } = await readSafetensorsHeader(join(path, 'adapter_model.safetensors'));
    const base = [...model.backbone.keys()].filter((name) => !plan.replaced.includes(name));
    const names = [...tensors.keys()].map((name) => name.replace(/^base_model\.model\./, ''));
    expect(names.filter((name) => base.includes(name))).toEqual([]);

    const again = await open(architecture);
    const placed = placeAdapter(await openAdapter(path), again);
    const found = await logitsOf(again, placed.plan, placed.parameters);
    expectClose('logits', found, await logitsOf(model, plan, parameters), { relative: 1e-5, floor: 1e-5 });
  });
});

it('sharing: pairs of a column are one tensor in training and equal copies in the file', async () => {
  const model = await open('tiny-bert-backbone');
  const { plan: make } = adapterMethods.lora;
  const config = parseTrainConfig({ task: 'x', method: 'lora', rank: 2 }, 'test').method;
  const plan = make(config, { own: model.adaptable.slice(0, 3), shared: model.adaptable.slice(3) }, model);
  const pairs = new Set(plan.placements.map(({ pair }) => pair));
  expect(plan.tensors).toHaveLength(2 * pairs.size);
  const parameters = await adapterParameters(plan, model, 1);
  const contents = plan.save(model, (name) => parameters.find((one) => one.name === name)!.values, { totalSteps: 1 });
  if (contents.format !== 'peft') throw new Error('LoRA is saved in the format of PEFT');
  const a = (layer: number) => contents.modules.get(`bert.encoder.layer.${layer}.output.dense`)!['lora_A.weight']!.data;
  expect(a(1)).toEqual(a(2));
});
