import { describe, expect, it } from 'vitest';
import { adapterMethods } from '../../src/adapters/registry.js';
import type { EncodedExample } from '../../src/engine/batch.js';
import { collate } from '../../src/engine/batching.js';
import { batchFeeds, type ModelGraphOptions, modelLogits } from '../../src/engine/modelGraph.js';
import {
  adapterParameters,
  type Parameter,
  parameter,
  parameterFeeds,
  parameterInputs,
} from '../../src/engine/parameters.js';
import { trainParameters } from '../../src/engine/training.js';
import { constant, ops } from '../../src/graph/index.js';
import { randomStream } from '../../src/random.js';
import { openSession } from '../../src/runtime/session.js';
import { matchTargets } from '../../src/selection/targets.js';
import { adapterMethodName, parseTrainConfig, type TrainConfigInput } from '../../src/settings/config.js';
import { expectClose, readOracle, type TensorKeys } from '../fixtures.js';
import { type BatchKeys, openTinyBert, savedClassifier } from '../models/tinyBert.js';
import { objectives } from '../objectives.js';

interface MethodsDescription extends BatchKeys {
  readonly targets: readonly string[];
  readonly rank: number;
  readonly alpha: number;
  readonly steps: number;
  readonly learningRate: number;
  readonly weightDecay: number;
  readonly loraPlusRatio: number;
  readonly adalora: Readonly<Record<'init_r' | 'target_r' | 'tinit' | 'tfinal' | 'deltaT', number>>;
  readonly bottleneck: number;
  readonly cases: readonly {
    readonly name: string;
    readonly initial: TensorKeys;
    readonly shared?: TensorKeys;
    readonly trained: TensorKeys;
    readonly losses: readonly number[];
  }[];
}

/** Made by test/oracle/method_steps.py. */
const oracle = await readOracle<MethodsDescription>('methods');
const { description } = oracle;
const { rank, alpha, adalora, loraPlusRatio } = description;

const settings: Readonly<Record<string, Partial<TrainConfigInput>>> = {
  'lora-biases': { method: 'lora', bias: 'all' },
  rslora: { method: 'rslora' },
  loraplus: { method: 'loraplus', loraPlusRatio },
  pissa: { method: 'pissa' },
  dora: { method: 'dora' },
  adalora: {
    method: 'adalora',
    rank: adalora.target_r,
    adaloraInitRank: adalora.init_r,
    adaloraTinit: adalora.tinit,
    adaloraTfinal: adalora.tfinal,
    adaloraDeltaT: adalora.deltaT,
  },
  vera: { method: 'vera' },
  ia3: { method: 'ia3' },
  houlsby: { method: 'houlsby', reduction: 32 / description.bottleneck },
  pfeiffer: { method: 'pfeiffer', reduction: 32 / description.bottleneck },
};

function examples(): EncodedExample[] {
  const [ids, mask, labels] = [description.inputIds, description.attentionMask, description.labels].map(oracle.at);
  const [rows, width] = ids!.shape as [number, number];
  return Array.from({ length: rows }, (_, index) => {
    const length = Number(
      mask!.data.slice(index * width, (index + 1) * width).filter((one) => Number(one) === 1).length,
    );
    const inputIds = Int32Array.from({ length }, (__, i) => Number(ids!.data[index * width + i]));
    const types = oracle.at(description.tokenTypeIds).data;
    const tokenTypeIds = Int32Array.from({ length }, (__, i) => Number(types[index * width + i]));
    return { inputIds, tokenTypeIds, label: Number(labels!.data[index]), index };
  });
}

describe.each(description.cases.map((one) => [one.name, one] as const))('%s, against PyTorch', (name, one) => {
  it('has the losses and the weights of its first steps', async () => {
    const model = await openTinyBert();
    const config = parseTrainConfig({ task: 'x', rank, alpha, ...settings[name] }, name);
    const method = adapterMethods[adapterMethodName(config)];
    const own = method.places === 'itself' ? [] : matchTargets(model, description.targets);
    const plan = method.plan(config, { own, shared: [] }, model);
    const given = new Map(Object.entries(oracle.all({ ...one.initial, ...one.shared })));
    const parameters: Parameter[] = [
      ...plan.tensors.map(({ name: tensor, shape, rateFactor, frozen }) => {
        const key = tensor.replace('.start_', '.lora_');
        const value = given.get(key);
        expect(value?.shape, `${tensor} is in the fixture`).toEqual(shape);
        return parameter(tensor, shape, Float32Array.from(value!.data, Number), { rateFactor, frozen });
      }),
      ...[...plan.replaced, ...(await savedClassifier()).map((head) => head.name)].map((tensor) => {
        const { data, shape } = given.get(tensor)!;
        return parameter(tensor, shape, Float32Array.from(data, Number));
      }),
    ];
    expect(new Set(parameters.filter(({ frozen }) => frozen !== true).map((each) => each.name))).toEqual(
      new Set(Object.keys(one.trained)),
    );
    const losses: number[] = [];
    await trainParameters(model, plan, parameters, examples(), {
      objective: objectives.classification,
      steps: () => description.steps,
      batchSize: 4,
      seed: 1,
      learningRate: description.learningRate,
      weightDecay: description.weightDecay,
      warmupRatio: 0,
      maxGradNorm: 1,
      dropoutRate: 0,
      threads: 1,
      onStep: ({ loss }) => losses.push(loss!),
    });
    expectClose('losses', losses, one.losses, { relative: 1e-4, floor: 1e-5 });
    for (const [tensor, key] of Object.entries(one.trained)) {
      // A bias of the keys moves all scores of a query alike: its slope is 0, and AdamW's step is the sign of rounding.
      if (tensor.endsWith('self.key.bias')) continue;
      const { values } = parameters.find((each) => each.name === tensor)!;
      expectClose(tensor, values, oracle.at(key).data, { relative: 1e-3, floor: 2e-4 });
    }
  });
});

it("DoRA's way with dropout is its way without it where the masks are 1", async () => {
  const model = await openTinyBert();
  const config = parseTrainConfig({ task: 'x', method: 'dora', rank }, 'test');
  const plan = adapterMethods.dora.plan(config, { own: model.adaptable, shared: [] }, model);
  const parameters = [...(await adapterParameters(plan, model, 1)), ...(await savedClassifier())];
  const stream = randomStream(1, 'dora');
  for (const { name, values } of parameters) {
    if (name.endsWith('lora_B')) for (let i = 0; i < values.length; i++) values[i] = 0.1 * stream.normal();
  }
  const inputs = parameterInputs(parameters);
  const batch = collate(examples(), model.padTokenId);
  const run = async (options: Partial<ModelGraphOptions>) => {
    const session = await openSession(
      { logits: modelLogits(model, { plan, parameters: inputs, ...options }) },
      { threads: 1 },
    );
    const { logits } = await session.run({ ...parameterFeeds(parameters), ...batchFeeds(batch, false) });
    await session.release();
    return logits!.data;
  };
  const masked = await run({ adapterDropout: (x) => ops.mul(x, constant(1)) });
  expectClose('logits', masked, await run({}), { relative: 1e-4, floor: 1e-5 });
});

it('every method that trains more than plain LoRA has a case', () => {
  const covered = new Set(Object.values(settings).map(({ method }) => method));
  const plain = ['head', 'full', 'bitfit', 'lora'];
  expect(Object.keys(adapterMethods).filter((name) => !plain.includes(name) && !covered.has(name as 'lora'))).toEqual(
    [],
  );
});
