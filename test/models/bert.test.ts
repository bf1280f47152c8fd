import { cp, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { elementCount } from '../../src/checkpoint/dtype.js';
import { openCheckpoint } from '../../src/checkpoint/open.js';
import { readTensor, readTensorBytes } from '../../src/checkpoint/safetensors.js';
import { writeSafetensors } from '../../src/checkpoint/safetensors-write.js';
import type { NamedTensor } from '../../src/checkpoint/types.js';
import type { Batch } from '../../src/engine/batch.js';
import { openGradientStep } from '../../src/engine/gradientStep.js';
import { batchFeeds, modelLogits } from '../../src/engine/modelGraph.js';
import { type Parameter, parameter, parameterFeeds, parameterInputs } from '../../src/engine/parameters.js';
import { emitGraph, grad, input, ops, type Tensor } from '../../src/graph/index.js';
import { type Node, nodesInOrder } from '../../src/graph/tensor.js';
import type { AdaptableModule, Model } from '../../src/models/model.js';
import { openModel } from '../../src/models/registry.js';
import { storedWeight } from '../../src/models/weights.js';
import { openSession, type Session } from '../../src/runtime/session.js';
import { expectClose, oraclePath, readOracle, type TensorKeys } from '../fixtures.js';
import { objectives } from '../objectives.js';
import {
  type BatchKeys,
  batchOf,
  openTinyBert,
  padFurther,
  parametersOf,
  planOf,
  savedClassifier,
} from './tinyBert.js';

interface BertCase extends BatchKeys {
  readonly name: string;
  readonly numLabels: number;
  readonly baseLogits: string;
  readonly logits: string;
  readonly loss: number;
  readonly gradients: TensorKeys;
  readonly baseHiddenStates?: readonly string[];
}

interface BertDescription {
  readonly adapter: TensorKeys;
  readonly regressionHead: { readonly weight: string; readonly bias: string };
  readonly cases: readonly BertCase[];
}

const oracle = await readOracle<BertDescription>('bert');
const { cases } = oracle.description;
const classification = cases.filter(({ numLabels }) => numLabels === 3);
const regression = cases.filter(({ numLabels }) => numLabels === 1);
const padding = cases.find(({ name }) => name === 'padding')!;
const adapter = () => parametersOf(oracle.all(oracle.description.adapter));
const logitTolerance = { relative: 1e-4, floor: 1e-5 };

/** Compiles the forward pass alone. */
async function openLogits(model: Model, parameters: readonly Parameter[], plan = planOf(model)): Promise<Session> {
  return openSession({ logits: modelLogits(model, { plan, parameters: parameterInputs(parameters) }) }, { threads: 1 });
}

async function logitsOf(session: Session, batch: Batch, parameters: readonly Parameter[]): Promise<Float32Array> {
  const { logits } = await session.run({ ...parameterFeeds(parameters), ...batchFeeds(batch, false) });
  return logits!.data as Float32Array;
}

const noAdapters = () => false;

describe('BERT with LoRA on every linear module, against transformers and PEFT', () => {
  it('covers every case of the fixture', () => {
    expect(classification.map(({ name }) => name)).toEqual(['noPadding', 'padding', 'pairs', 'single', 'long']);
    expect(regression.map(({ name }) => name)).toEqual(['regression']);
  });

  describe.each([
    { kind: 'classification', among: classification, head: savedClassifier },
    {
      kind: 'regression',
      among: regression,
      head: async () => {
        const { weight, bias } = oracle.description.regressionHead;
        return parametersOf(oracle.all({ 'classifier.weight': weight, 'classifier.bias': bias }));
      },
    },
  ] as const)('$kind: one session for batches of every shape', ({ kind, among, head }) => {
    let parameters: Parameter[];
    let forward: Session;
    let step: Awaited<ReturnType<typeof openGradientStep>>;
    beforeAll(async () => {
      const model = await openTinyBert(kind === 'regression' ? 1 : 3);
      parameters = [...adapter(), ...(await head())];
      forward = await openLogits(model, parameters);
      const largestBatch = { batch: 8, seq: 64 };
      step = await openGradientStep(model, {
        objective: objectives[kind],
        plan: planOf(model),
        parameters,
        wrt: parameters,
        threads: 1,
        largestBatch,
      });
    });
    afterAll(() => Promise.all([forward.release(), step.release()]));

    it.each(among.map((one) => [one.name, one] as const))('%s: logits', async (_, one) => {
      const logits = await logitsOf(forward, batchOf(oracle, one), parameters);
      expectClose('logits', logits, oracle.at(one.logits).data, logitTolerance);
    });

    it.each(among.map((one) => [one.name, one] as const))(
      '%s: loss and the gradient of every tensor',
      async (_, one) => {
        const loss = await step.run(batchOf(oracle, one), 0);
        expectClose('loss', [loss], [one.loss], { relative: 1e-5, floor: 0 });
        expect(parameters.map(({ name }) => name).sort()).toEqual(Object.keys(one.gradients).sort());
        for (const [i, { name }] of parameters.entries()) {
          const expected = oracle.at(one.gradients[name]!).data;
          expectClose(`gradient of ${name}`, step.gradients[i]!, expected, { relative: 1e-3, floor: 1e-5 });
        }
      },
    );

    it('gives the same bits again after batches of other shapes', async () => {
      const batch = batchOf(oracle, among[0]!);
      const first = await step.run(batch, 0);
      const gradients = step.gradients.map((gradient) => gradient.slice());
      for (const other of among.toReversed()) await step.run(batchOf(oracle, other), 0);
      await step.run(padFurther(batch, 3), 0);
      expect(await step.run(batch, 0)).toBe(first);
      expect(step.gradients).toEqual(gradients);
    });

    it('changes no logit when a batch is padded further', async () => {
      for (const one of among.filter(({ name }) => name !== 'long')) {
        const batch = batchOf(oracle, one);
        const plain = await logitsOf(forward, batch, parameters);
        const padded = await logitsOf(forward, padFurther(batch, 17), parameters);
        expectClose(one.name, padded, plain, { relative: 0, floor: 1e-5 });
      }
    });
  });
});

describe('BERT without adapters', () => {
  it.each(['tiny-bert', 'tiny-bert-backbone'])('%s gives the base logits of every case', async (folder) => {
    const model = await openTinyBert(3, folder);
    const head = await savedClassifier();
    const session = await openLogits(model, head, planOf(model, noAdapters));
    for (const one of classification) {
      const logits = await logitsOf(session, batchOf(oracle, one), head);
      expectClose(one.name, logits, oracle.at(one.baseLogits).data, logitTolerance);
    }
    await session.release();
  });

  it('hands each layer the hidden states of transformers, and the pooler the first tokens of the last', async () => {
    const model = await openTinyBert();
    const head = await savedClassifier();
    const parameters = parameterInputs(head);
    const seen = new Map<string, Tensor>();
    const token = (name: string) => input(name, 'int64', ['batch', 'seq']);
    const inputs = {
      inputIds: token('input_ids'),
      attentionMask: token('attention_mask'),
      tokenTypeIds: token('token_type_ids'),
    };
    model.logits(inputs, {
      weight: (name) => parameters.get(name) ?? storedWeight(model.checkpoint.tensors.get(model.backbone.get(name)!)!),
      adapt({ path, x, product, bias }) {
        seen.set(path, x);
        return ops.add(product, bias!);
      },
      startLayer: (state) => state,
      endSubLayer: (_, y, close) => close(y),
      dropout: (x) => x,
    });
    const layerInputs = [0, 1, 2].map((layer) => seen.get(`bert.encoder.layer.${layer}.attention.self.key`)!);
    const session = await openSession(
      {
        state0: layerInputs[0]!,
        state1: layerInputs[1]!,
        state2: layerInputs[2]!,
        first: seen.get('bert.pooler.dense')!,
      },
      { threads: 1 },
    );
    const batch = batchOf(oracle, padding);
    const got = await session.run(batchFeeds(batch, false));
    const expected = padding.baseHiddenStates!.map((key) => oracle.at(key));
    for (const layer of [0, 1, 2]) {
      expectClose(`hidden states ${layer}`, got[`state${layer}`]!.data, expected[layer]!.data, {
        relative: 1e-5,
        floor: 1e-5,
      });
    }
    const hidden = expected[3]!.shape[2]!;
    const firstTokens = Array.from({ length: batch.batchSize }, (_, row) => {
      const start = row * batch.sequenceLength * hidden;
      return Array.from(expected[3]!.data.slice(start, start + hidden), Number);
    });
    expectClose('first tokens', got.first!.data, firstTokens.flat(), { relative: 1e-5, floor: 1e-5 });
    await session.release();
  });
});

describe('reading a checkpoint', () => {
  let scratch: string;
  beforeAll(async () => {
    scratch = await mkdtemp(join(tmpdir(), 'diffora-bert-'));
  });
  afterAll(() => rm(scratch, { recursive: true }));

  /** A copy of tiny-bert whose tensors are passed through `change` one by one; undefined leaves a tensor out. */
  async function changed(name: string, change: (tensor: NamedTensor) => NamedTensor | undefined): Promise<string> {
    const folder = join(scratch, name);
    await cp(oraclePath('tiny-bert'), folder, { recursive: true });
    const { tensors } = await openCheckpoint(folder);
    const read = await Promise.all(
      [...tensors.values()].map(async (stored) => {
        const tensor = change({ name: stored.name, shape: stored.shape, data: await readTensor(stored) });
        return tensor === undefined ? [] : [tensor];
      }),
    );
    await writeSafetensors(join(folder, 'model.safetensors'), read.flat());
    return folder;
  }

  const open = async (folder: string) => openModel(await openCheckpoint(folder), { numLabels: 3 });

  it('understands the old spellings gamma and beta of a layer norm', async () => {
    const old = (name: string) =>
      name.replace('LayerNorm.weight', 'LayerNorm.gamma').replace('LayerNorm.bias', 'LayerNorm.beta');
    const model = await open(await changed('old', (tensor) => ({ ...tensor, name: old(tensor.name) })));
    expect(model.backbone.get('bert.embeddings.LayerNorm.weight')).toBe('bert.embeddings.LayerNorm.gamma');
    expect(model.unused).toEqual([]);
    const head = await savedClassifier();
    const session = await openLogits(model, head, planOf(model, noAdapters));
    const logits = await logitsOf(session, batchOf(oracle, padding), head);
    expectClose('logits', logits, oracle.at(padding.baseLogits).data, logitTolerance);
    await session.release();
  });

  it('names a missing tensor', async () => {
    const lost = 'bert.encoder.layer.1.intermediate.dense.weight';
    const folder = await changed('missing', (tensor) => (tensor.name === lost ? undefined : tensor));
    await expect(open(folder)).rejects.toThrow(`${lost} is missing`);
  });

  it('names a tensor of the wrong shape, with both shapes', async () => {
    const wrong = 'bert.encoder.layer.2.output.dense.weight';
    const folder = await changed('shape', (tensor) =>
      tensor.name === wrong ? { ...tensor, shape: [64, 32] } : tensor,
    );
    await expect(open(folder)).rejects.toThrow(`${wrong} is [64,32], not [32,64]`);
  });

  it('says which key of config.json is wrong', async () => {
    const folder = await changed('config', (tensor) => tensor);
    const config = JSON.parse(await readFile(join(folder, 'config.json'), 'utf8')) as Record<string, unknown>;
    const write = (replaced: object) =>
      writeFile(join(folder, 'config.json'), JSON.stringify({ ...config, ...replaced }));
    await write({ hidden_size: 'wide' });
    await expect(open(folder)).rejects.toThrow('hidden_size');
    await write({ num_attention_heads: 5 });
    await expect(open(folder)).rejects.toThrow('hidden_size 32 is no multiple of num_attention_heads 5');
    await write({ hidden_act: 'mish' });
    await expect(open(folder)).rejects.toThrow('hidden_act');
    await write({ model_type: 'zamba' });
    await expect(open(folder)).rejects.toThrow('model_type "zamba"');
  });

  it('lists the tensors that it has no use for', async () => {
    const extra = { name: 'cls.predictions.bias', shape: [200], data: new Float32Array(200) };
    const folder = await changed('extra', (tensor) => tensor);
    const { tensors } = await openCheckpoint(folder);
    await writeSafetensors(join(folder, 'model.safetensors'), [...tensors.values(), extra]);
    expect((await open(folder)).unused).toEqual(['cls.predictions.bias']);
  });
});

describe('the training graph', () => {
  /** Forward and backward nodes for LoRA on the modules that `keep` picks, with or without the classifier. */
  async function build(keep: (module: AdaptableModule) => boolean, trainHead = true) {
    const model = await openTinyBert();
    const plan = planOf(model, keep);
    const head = await savedClassifier();
    const pairs = plan.tensors.map(({ name, shape }) => parameter(name, shape, new Float32Array(elementCount(shape))));
    const inputs = parameterInputs([...pairs, ...head]);
    const loss = objectives.classification.loss(modelLogits(model, { plan, parameters: inputs }));
    const wrt = [...pairs, ...(trainHead ? head : [])].map(({ name }) => inputs.get(name)!);
    const gradients = grad(loss, wrt);
    const forward = nodesInOrder([loss]);
    const known = new Set(forward);
    const backward = nodesInOrder(gradients).filter((node) => !known.has(node));
    const outputs = Object.fromEntries(gradients.map((gradient, i) => [`gradient${i}`, gradient]));
    return { model, forward, backward, loss, outputs: { loss, ...outputs } };
  }

  /** Names of the checkpoint's tensors that nodes read. */
  const weightsOf = (nodes: readonly Node[]) =>
    new Set(
      nodes.flatMap(({ inputs }) =>
        inputs.flatMap(({ origin }) => (origin.kind === 'stored' ? [origin.location.name] : [])),
      ),
    );
  const layersOf = (names: Iterable<string>) =>
    [...new Set([...names].flatMap((name) => /layer\.(\d+)\./.exec(name)?.[1] ?? []))].sort();

  it('differentiates nothing below the lowest adapted module', async () => {
    const all = await build(() => true);
    expect(layersOf(weightsOf(all.forward))).toEqual(['0', '1', '2']);
    expect(layersOf(weightsOf(all.backward))).toEqual(['0', '1', '2']);

    const top = await build(({ layer }) => layer === 2);
    expect(layersOf(weightsOf(top.forward))).toEqual(['0', '1', '2']);
    expect(layersOf(weightsOf(top.backward))).toEqual(['2']);

    const lastLinear = await build(({ layer, module }) => layer === 2 && module === 'output.dense');
    expect([...weightsOf(lastLinear.backward)].sort()).toEqual([
      'bert.encoder.layer.2.output.LayerNorm.weight',
      'bert.pooler.dense.weight',
    ]);
  });

  it('never differentiates the embeddings, whatever is adapted', async () => {
    const { backward } = await build(() => true);
    expect([...weightsOf(backward)].filter((name) => name.includes('embeddings'))).toEqual([]);
    expect(backward.filter(({ primitive }) => primitive === 'scatterAdd')).toEqual([]);
  });

  it('has one product in the backward pass of a head-only run: that of the classifier', async () => {
    const { backward } = await build(noAdapters);
    expect(backward.filter(({ primitive }) => primitive === 'matmul')).toHaveLength(1);
    expect([...weightsOf(backward)]).toEqual([]);
  });

  it('emits fewer nodes with fewer modules to differentiate', async () => {
    const [all, top, head] = await Promise.all([
      build(() => true),
      build(({ layer }) => layer === 2),
      build(noAdapters),
    ]);
    const counts = [all, top, head].map(({ outputs }) => emitGraph(outputs).nodeCount);
    const forward = emitGraph({ loss: head.loss }).nodeCount;
    // A backward pass has about as many nodes as its forward pass, so two thirds of it go with two layers of three.
    expect(counts[1]! - forward).toBeLessThan((counts[0]! - forward) / 2);
    expect(counts[2]! - forward).toBeLessThan(20);
  });

  it('holds no weight: they are external data, read in place', async () => {
    const { model, outputs } = await build(() => true);
    const graph = emitGraph(outputs);
    expect(graph.bytes.byteLength).toBeLessThan(300_000);
    expect(new Set(graph.stored.map(({ file }) => dirname(file)))).toEqual(new Set([model.checkpoint.folder]));
    const bytes = Buffer.from(graph.bytes);
    for (const name of model.backbone.values()) {
      const weight = await readTensorBytes(model.checkpoint.tensors.get(name)!);
      expect(bytes.indexOf(weight.subarray(0, 32)), name).toBe(-1);
    }
    expect(bytes.includes('model.safetensors')).toBe(true);
  });
});
