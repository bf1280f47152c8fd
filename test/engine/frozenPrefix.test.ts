import { describe, expect, it } from 'vitest';
import type { AdapterPlan } from '../../src/adapters/plan.js';
import { openCheckpoint } from '../../src/checkpoint/open.js';
import type { EncodedExample } from '../../src/engine/batch.js';
import { collate } from '../../src/engine/batching.js';
import { type FrozenPrefix, frozenLayers } from '../../src/engine/frozenPrefix.js';
import { adapterParameters, headParameters, type Parameter } from '../../src/engine/parameters.js';
import { type ByteStore, openPrefixStates, type StateType, stateBytes } from '../../src/engine/prefixStates.js';
import { type TrainingOptions, trainParameters } from '../../src/engine/training.js';
import { fileStore, memoryStore } from '../../src/files/byteStore.js';
import type { Model, TaskType } from '../../src/models/model.js';
import { openModel } from '../../src/models/registry.js';
import { randomStream } from '../../src/random.js';
import { expectClose, oraclePath } from '../fixtures.js';
import { classifyingFamilies, layeredAsOthers } from '../models/classifyingFamilies.js';
import { openTinyBert, planOf, savedClassifier } from '../models/tinyBert.js';
import { nightly } from '../nightly.js';
import { type ObjectiveName, objectives } from '../objectives.js';
import { examples } from '../selection/examples.js';
import { trainingOptions } from './trainingOptions.js';

// In full at night: variants of a family, and of LLaMA and BERT, differ in what a layer computes, not in how layers follow one another.
const families = await classifyingFamilies(
  (name) =>
    nightly ||
    !(name.includes('-') || layeredAsOthers.has(name)) ||
    ['deberta-v3', 'deberta-v2-conv', 'llama-dynamic'].includes(name),
);

/** Sentences of 5-8 ids with a class, and a class for each token. */
function sentences({ vocabSize, numLabels }: Pick<Model, 'vocabSize' | 'numLabels'>): EncodedExample[] {
  const stream = randomStream(1, 'labels of tokens');
  return examples(22, 'a').map((example) => ({
    ...example,
    inputIds: example.inputIds.map((id) => 5 + (id % Math.min(50, vocabSize - 5))),
    tokenLabels: example.inputIds.map(() => stream.integer(numLabels)),
  }));
}

/** LoRA on the last layer of a model, whose head is fresh. */
async function onLastLayer(family: string, taskType: TaskType) {
  const model = openModel(await openCheckpoint(oraclePath('families', family)), { taskType, numLabels: 3 });
  const plan = planOf(model, ({ layer }) => layer === model.layers - 1);
  const parameters = [...(await adapterParameters(plan, model, 1)), ...(await headParameters(model, 1))];
  return { model, plan, parameters, encoded: sentences(model) };
}

interface Given {
  readonly model: Model;
  readonly plan: AdapterPlan;
  readonly parameters: readonly Parameter[];
  readonly encoded: readonly EncodedExample[];
}

function prefixOf(
  { model, plan, parameters }: Given,
  { type = 'float32', store = memoryStore(1e9) }: { type?: StateType; store?: ByteStore<EncodedExample> } = {},
): FrozenPrefix {
  const { layers: layer, hiddenSize } = frozenLayers(model, { plan, parameters });
  const open = () => openPrefixStates(model, { plan, parameters, layer, hiddenSize, type, store, threads: 1 });
  return { layer, open };
}

async function train({ model, plan, parameters, encoded }: Given, changes: Partial<TrainingOptions>) {
  const losses: number[] = [];
  await trainParameters(model, plan, parameters, encoded, {
    ...trainingOptions,
    steps: () => 7,
    onStep: ({ loss }) => losses.push(loss!),
    ...changes,
  });
  return { losses, parameters };
}

const tinyBert = async (): Promise<Given> => {
  const model = await openTinyBert();
  const plan = planOf(model, ({ layer }) => layer === model.layers - 1);
  const parameters = [...(await adapterParameters(plan, model, 1)), ...(await savedClassifier())];
  return { model, plan, parameters, encoded: examples(22, 'a') };
};

/** Trains twice: as ever, and from what is kept below the last layer. */
async function expectSameTraining(given: () => Promise<Given>, changes: Partial<TrainingOptions>): Promise<void> {
  const [plain, kept] = [await given(), await given()];
  const whole = await train(plain, changes);
  const started = await train(kept, { ...changes, prefix: prefixOf(kept) });
  expectClose('losses', started.losses, whole.losses, { relative: 1e-5, floor: 1e-6 });
  for (const [i, { name, values }] of whole.parameters.entries()) {
    expectClose(name, started.parameters[i]!.values, values, { relative: 1e-3, floor: 1e-4 });
  }
}

describe.each(families)('%s: training from what is kept below the last layer', (family) => {
  it('gives the losses and weights of a training that computes it at every step', async () => {
    await expectSameTraining(() => onLastLayer(family, 'SEQ_CLS'), {});
  });
});

it.each([
  ['bert', 'TOKEN_CLS', 'tokens'],
  ['deberta-v3', 'TOKEN_CLS', 'tokens'],
  ['gpt2', 'CAUSAL_LM', 'language'],
  ['llama', 'CAUSAL_LM', 'language'],
] as const)('%s, %s: the same', async (family, taskType, kind: ObjectiveName) => {
  await expectSameTraining(() => onLastLayer(family, taskType), { objective: objectives[kind] });
});

it('goes with gradient checkpointing, and with batches that are cut into parts', async () => {
  await expectSameTraining(tinyBert, { gradientCheckpointing: true, parts: 3 });
});

describe('what is kept', () => {
  /** All bits that a training ends with. */
  async function bitsOf(options: Parameters<typeof prefixOf>[1]) {
    const given = await tinyBert();
    const { losses, parameters } = await train(given, { prefix: prefixOf(given, options) });
    return [losses, parameters.map(({ values }) => Array.from(values))];
  }

  it.each(['float32', 'bfloat16'] as const)(
    '%s: the same bits in memory, in a file, and where it does not fit',
    async (type) => {
      const inMemory = await bitsOf({ type });
      expect(await bitsOf({ type, store: fileStore(1e9) })).toEqual(inMemory);
      expect(await bitsOf({ type, store: memoryStore(6000) })).toEqual(inMemory);
      expect(await bitsOf({ type, store: fileStore(0) })).toEqual(inMemory);
    },
  );

  it('is computed once for each example', async () => {
    const given = await tinyBert();
    const store = memoryStore<EncodedExample>(1e9);
    const put: EncodedExample[] = [];
    const counted: typeof store = {
      ...store,
      put(example, bytes) {
        put.push(example);
        return store.put(example, bytes);
      },
    };
    await train(given, { prefix: prefixOf(given, { store: counted }) });
    expect(put.length).toBe(22);
    expect(new Set(put).size).toBe(22);
  });

  it('bfloat16 is near float32, and not the same', async () => {
    const [exact, rounded] = [(await bitsOf({}))[0] as number[], (await bitsOf({ type: 'bfloat16' }))[0] as number[]];
    expect(rounded).not.toEqual(exact);
    expectClose('losses', rounded, exact, { relative: 0.02, floor: 0.01 });
  });

  it('does not depend on the rows beside an example', async () => {
    const given = await tinyBert();
    const states = await prefixOf(given, { store: memoryStore(0) }).open();
    const short = given.encoded.find(({ inputIds }) => inputIds.length === 5)!;
    const long = given.encoded.find(({ inputIds }) => inputIds.length === 8)!;
    const dataOf = async (rows: readonly EncodedExample[]) =>
      (await states.feeds(collate(rows, given.model.padTokenId))).prefix_state!.data as Float32Array;
    const [alone, beside] = [await dataOf([short]), await dataOf([short, long])];
    expect(beside.subarray(0, alone.length)).toEqual(alone);
    await states.release();
  });
});

describe('a bounded store', () => {
  it.each([
    ['memory', memoryStore],
    ['a file', fileStore],
  ] as const)('in %s keeps what comes first, and no more bytes than its limit', async (_, open) => {
    const store = open<string>(10);
    await store.put('a', Uint8Array.of(1, 2, 3, 4));
    await store.put('b', Uint8Array.of(5, 6, 7, 8, 9, 10, 11));
    await store.put('c', Uint8Array.of(12, 13, 14, 15, 16, 17));
    expect(await store.get('a')).toEqual(Uint8Array.of(1, 2, 3, 4));
    expect(await store.get('b')).toBeUndefined();
    expect(await store.get('c')).toEqual(Uint8Array.of(12, 13, 14, 15, 16, 17));
    await store.release();
  });

  it('a token of 384 numbers takes 1536 bytes, or half of that', () => {
    expect(stateBytes(384, 'float32')).toBe(4 * 384);
    expect(stateBytes(384, 'bfloat16')).toBe(2 * 384);
  });
});

describe('the frozen layers', () => {
  const of = async (layers: readonly number[]) => {
    const model = await openTinyBert();
    const plan = planOf(model, ({ layer }) => layers.includes(layer));
    return frozenLayers(model, { plan, parameters: await adapterParameters(plan, model, 1) });
  };

  it('are those below the lowest that is adapted, and never the last', async () => {
    const { layers } = await openTinyBert();
    expect(await of([layers - 1])).toMatchObject({ layers: layers - 1, endedBy: undefined });
    expect(await of([])).toMatchObject({ layers: layers - 1, endedBy: undefined });
    const first = await of([0]);
    expect(first.layers).toBe(0);
    expect(first.endedBy).toContain('layer.0.');
  });

  it('are none where something before the first layer is trained', async () => {
    const model = await openTinyBert();
    const plan = planOf(model, ({ layer }) => layer === model.layers - 1);
    const name = 'bert.embeddings.LayerNorm.weight';
    const replaced = { ...plan, replaced: [name] };
    const found = frozenLayers(model, { plan: replaced, parameters: await adapterParameters(replaced, model, 1) });
    expect(found).toMatchObject({ layers: 0, endedBy: name });
  });
});
