import { describe, expect, it } from 'vitest';
import { loraPlan } from '../../src/adapters/methods/lora.js';
import { noAdapters } from '../../src/adapters/plan.js';
import { openCheckpoint } from '../../src/checkpoint/open.js';
import type { StoredTensor } from '../../src/checkpoint/types.js';
import type { EncodedExample } from '../../src/engine/batch.js';
import { collate } from '../../src/engine/batching.js';
import { type FrozenPrefix, frozenLayers } from '../../src/engine/frozenPrefix.js';
import { type GradientStepOptions, openGradientStep } from '../../src/engine/gradientStep.js';
import { adapterParameters } from '../../src/engine/parameters.js';
import { openPrefixStates } from '../../src/engine/prefixStates.js';
import { memoryStore } from '../../src/files/byteStore.js';
import type { AdaptableModule, Model } from '../../src/models/model.js';
import { headsOf, openModel } from '../../src/models/registry.js';
import { bucketOf } from '../../src/models/relativePositions.js';
import { randomStream } from '../../src/random.js';
import { languageObjective } from '../../src/tasks/kinds/language.js';
import { expectClose, oraclePath } from '../fixtures.js';

const written = { taskType: 'SEQ_2_SEQ_LM', numLabels: 0 } as const;
const checkpointOf = (name: string) => openCheckpoint(oraclePath('families', name));

/** Texts of several lengths, read and written. */
function examplesFor({ vocabSize, encoderDecoder }: Model): EncodedExample[] {
  const stream = randomStream(1, 'texts');
  const ids = (length: number) => Int32Array.from({ length }, () => 2 + stream.integer(vocabSize - 2));
  return [
    [7, 3],
    [4, 6],
    [2, 2],
  ].map(([read, write], index) => {
    const labels = ids(write!);
    return {
      inputIds: ids(read!),
      tokenTypeIds: new Int32Array(read!),
      label: undefined,
      targetIds: Int32Array.from([encoderDecoder!.startTokenId, ...labels.slice(0, -1)]),
      tokenLabels: labels,
      index,
    };
  });
}

async function adapted(model: Model, isAdapted: (module: AdaptableModule) => boolean = () => true) {
  const plan = loraPlan({ rank: 2, alpha: 4 }, { own: model.adaptable.filter(isAdapted), shared: [] });
  const parameters = (await adapterParameters(plan, model, 1)).map((one) => {
    const stream = randomStream(1, 'test', one.name);
    return { ...one, values: one.values.map((value) => value + 0.1 * stream.normal()) };
  });
  return { plan, parameters };
}

async function gradients(
  model: Model,
  options: Pick<GradientStepOptions, 'plan' | 'parameters'> & Partial<GradientStepOptions>,
) {
  const step = await openGradientStep(model, {
    objective: languageObjective,
    wrt: options.parameters,
    threads: 1,
    largestBatch: { batch: 3, seq: 7, target: 6 },
    ...options,
  });
  try {
    const loss = await step.run(collate(examplesFor(model), model.padTokenId, languageObjective), 0);
    return { loss, gradients: step.gradients.map((one) => one.slice()) };
  } finally {
    await step.release();
  }
}

describe('T5', () => {
  it('has rows for the layers of the encoder and then of the decoder', async () => {
    const { adaptable, layers, modules } = openModel(await checkpointOf('umt5'), written);
    expect(layers).toBe(3);
    expect(modules.filter((name) => name.startsWith('EncDec'))).toHaveLength(4);
    expect(adaptable.filter(({ layer }) => layer === 2).every(({ path }) => path.startsWith('decoder.block.0.'))).toBe(
      true,
    );
  });

  it('computes layers anew in the backward pass to the same gradients, with dropout', async () => {
    const model = openModel(await checkpointOf('umt5'), written);
    const own = { ...(await adapted(model)), dropoutSeed: 1, dropoutRate: 0.2 };
    const plain = await gradients(model, own);
    const anew = await gradients(model, { ...own, gradientCheckpointing: true });
    expect(anew.loss).toBeCloseTo(plain.loss, 6);
    for (const [i, one] of plain.gradients.entries()) {
      expectClose(own.parameters[i]!.name, anew.gradients[i]!, one, { relative: 1e-4, floor: 1e-6 });
    }
  });

  it.each([
    ['the decoder', (module: AdaptableModule) => module.path.startsWith('decoder.')],
    ['the last layer of the encoder', ({ layer }: AdaptableModule) => layer === 1],
  ])('starts a step within the encoder where only %s is adapted', async (_, isAdapted) => {
    const model = openModel(await checkpointOf('umt5'), written);
    const { plan, parameters } = await adapted(model, isAdapted);
    const { layers, hiddenSize } = frozenLayers(model, { plan, parameters });
    expect(layers).toBe(1);
    const prefix: FrozenPrefix = {
      layer: layers,
      open: () =>
        openPrefixStates(model, {
          plan,
          parameters,
          layer: layers,
          hiddenSize,
          type: 'float32',
          store: memoryStore(1e9),
          threads: 1,
        }),
    };
    const plain = await gradients(model, { plan, parameters });
    const kept = await gradients(model, { plan, parameters, prefix });
    expect(kept.loss).toBeCloseTo(plain.loss, 6);
    for (const [i, one] of plain.gradients.entries()) {
      expectClose(parameters[i]!.name, kept.gradients[i]!, one, { relative: 1e-4, floor: 1e-6 });
    }
  });

  it('gives vectors by its encoder alone', async () => {
    const checkpoint = await checkpointOf('umt5');
    expect(headsOf(checkpoint)).toEqual(['SEQ_2_SEQ_LM', 'FEATURE_EXTRACTION']);
    const model = openModel(checkpoint, { taskType: 'FEATURE_EXTRACTION', numLabels: 0 });
    expect(model.architecture).toBe('UMT5EncoderModel');
    expect(model.layers).toBe(2);
    expect(model.unused).toEqual([]);
    expect([...model.backbone.keys()].some((name) => name.startsWith('decoder.'))).toBe(false);
    expect(model.encoderDecoder).toBeUndefined();
  });
});

describe('a checkpoint of T5', () => {
  const copies = ['encoder.embed_tokens.weight', 'decoder.embed_tokens.weight'];
  /** The embeddings under other names, and config.json with other keys. */
  async function changed(
    name: string,
    config: Record<string, unknown>,
    move: (tensors: Map<string, StoredTensor>) => void = () => {},
  ) {
    const checkpoint = await checkpointOf(name);
    const tensors = new Map(checkpoint.tensors);
    move(tensors);
    return { ...checkpoint, folder: 'm', config: { ...checkpoint.config, ...config }, tensors };
  }

  it('may hold its embeddings once more for each half, or for the halves alone', async () => {
    const shared = 'shared.weight';
    const more = await changed('t5', {}, (tensors) => {
      for (const name of copies) tensors.set(name, { ...tensors.get(shared)!, name });
    });
    const alone = await changed('t5', {}, (tensors) => {
      for (const name of copies) tensors.set(name, { ...tensors.get(shared)!, name });
      tensors.delete(shared);
    });
    const output = await changed('t5', {}, (tensors) => {
      tensors.set('lm_head.weight', { ...tensors.get(shared)!, name: 'lm_head.weight' });
      tensors.delete(shared);
    });
    for (const one of [more, alone, output]) {
      const model = openModel(one, written);
      expect(model.unused).toEqual([]);
      expect(model.tied.get('lm_head.weight')).toBe(shared);
    }
  });

  it('is refused where the halves embed by different tables', async () => {
    const checkpoint = await changed('mt5', {}, (tensors) => {
      tensors.set(copies[1]!, { ...tensors.get('lm_head.weight')!, name: copies[1]! });
    });
    expect(() => openModel(checkpoint, written)).toThrow(
      'm: decoder.embed_tokens.weight is another table than shared.weight, and both halves of this family embed by one.',
    );
  });

  it.each([
    [
      { feed_forward_proj: 'gated-what', dense_act_fn: null },
      'm/config.json: feed_forward_proj "gated-what" is not supported',
    ],
    [{ decoder_start_token_id: null }, 'm/config.json: decoder_start_token_id names no token'],
    [{ relative_attention_max_distance: 4 }, 'm/config.json: relative_attention_max_distance 4 is not above half of'],
    [{ relative_attention_num_buckets: 2 }, 'relative_attention_num_buckets'],
  ])('is refused by the key: %j', async (config, message) => {
    const checkpoint = await changed('t5', config);
    expect(() => openModel(checkpoint, written)).toThrow(message);
  });

  it('says what heads it has', async () => {
    const checkpoint = await checkpointOf('t5');
    expect(() => openModel(checkpoint, { taskType: 'SEQ_CLS', numLabels: 2 })).toThrow(
      'T5 has no SEQ_CLS head; it has SEQ_2_SEQ_LM.',
    );
  });

  // tie_word_embeddings: false is how T5 1.1 says that its states are not scaled; transformers 5 writes scale_decoder_outputs.
  it.each([
    [{ scale_decoder_outputs: undefined, tie_word_embeddings: undefined }, true],
    [{ scale_decoder_outputs: undefined, tie_word_embeddings: false }, false],
    [{ scale_decoder_outputs: false, tie_word_embeddings: true }, false],
    [{ scale_decoder_outputs: true, tie_word_embeddings: false }, true],
  ])('scales its states before the output as %j asks', async (config, isScaled) => {
    const model = openModel(await changed('t5', config), written);
    const { loss } = await gradients(model, { plan: noAdapters, parameters: [], wrt: [] });
    const usual = openModel(await checkpointOf('t5'), written);
    const { loss: scaled } = await gradients(usual, { plan: noAdapters, parameters: [], wrt: [] });
    expect(loss === scaled).toBe(isScaled);
  });
});

it('puts distances into buckets as mesh-tensorflow does', () => {
  // Of 32 buckets 16 are for each way, 8 of them exact; 16 / 8 = 2 is a quarter of the way to 128 by the logarithm.
  const both = { buckets: 32, furthest: 128, bothWays: true };
  expect([-7, 0, 7, 16, 127, 128, 5000].map((distance) => bucketOf(distance, both))).toEqual([
    7, 0, 23, 26, 31, 31, 31,
  ]);
  const back = { ...both, bothWays: false };
  expect([3, 0, -15, -16, -128].map((distance) => bucketOf(distance, back))).toEqual([0, 0, 15, 16, 31]);
});
