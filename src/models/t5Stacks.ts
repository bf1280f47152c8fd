import { constant, type Dim, multiplyDims, ops, type Tensor } from '../graph/index.js';
import { causalBias } from './causal.js';
import { type Activation, activations } from './config.js';
import { vocabularyLogits } from './decoderHeads.js';
import { linear, masked, mergeHeads, paddingBias, sizesOf, splitHeads } from './layers.js';
import type { BatchInputs, BuildHooks, LayerCache, WritingInputs } from './model.js';
import { distanceBias, distanceValues } from './relativePositions.js';
import { seen, stepAttention, stepBias } from './stepAttention.js';

/** One of the halves. */
export interface Stack {
  readonly name: 'encoder' | 'decoder';
  readonly layers: number;
}

/** T5 and its relatives in the terms of this file. */
export interface T5 {
  readonly hidden: number;
  readonly heads: number;
  readonly headSize: number;
  readonly buckets: { readonly buckets: number; readonly furthest: number };
  /** Every layer has a table of distances, not the first alone. */
  readonly tablePerLayer: boolean;
  readonly epsilon: number;
  readonly dropout: number;
  readonly activation: Activation;
  readonly isGated: boolean;
  /** States are divided by √hidden before the output. */
  readonly isScaled: boolean;
  readonly encoder: Stack;
  readonly decoder: Stack;
}

/** A sub-layer of attention, or how it goes on from states [rows, hidden] that are normalised. */
type Attend = (path: string, state: Tensor) => Tensor;

/** The two halves as graphs. States are [batch*seq, hidden] where a text is read, and [batch*target, hidden] where one is written. */
export function t5Parts(model: T5) {
  const { hidden, heads, headSize, dropout } = model;
  const split = (x: Tensor, batch: Dim, length: Dim) => splitHeads(x, { batch, length, heads, headSize });
  const project = (path: string, x: Tensor, hooks: BuildHooks) => linear(path, x, hooks, { bias: false });
  const norm = (path: string, x: Tensor, hooks: BuildHooks) =>
    ops.rmsNorm(x, hooks.weight(`${path}.weight`), model.epsilon)[0]!;
  const tableOf = ({ name }: Stack, layer: number, hooks: BuildHooks) => {
    const block = model.tablePerLayer ? layer : 0;
    return hooks.weight(`${name}.block.${block}.layer.0.SelfAttention.relative_attention_bias.weight`);
  };
  const bucketsOf = ({ name }: Stack) => ({ ...model.buckets, bothWays: name === 'encoder' });

  const embed = (ids: Tensor, hooks: BuildHooks) => {
    const rows = ops.reshape(ops.gather(hooks.weight('shared.weight'), ids), [multiplyDims(ids.shape), hidden]);
    return hooks.dropout(rows, dropout);
  };

  /** What stands behind the last layer of a half. */
  const finish = ({ name }: Stack, state: Tensor, hooks: BuildHooks) =>
    hooks.dropout(norm(`${name}.final_layer_norm`, state, hooks), dropout);

  /** softmax(q Kᵀ + bias) V without a scaling of scores: [batch*queries, heads*headSize]. */
  const attend = (query: Tensor, { key, value }: LayerCache, bias: Tensor, hooks: BuildHooks) => {
    const scores = ops.add(ops.matmul(query, key, { transB: true }), bias);
    return mergeHeads(ops.matmul(hooks.dropout(ops.softmax(scores), dropout), value));
  };

  const keysOf = (path: string, state: Tensor, batch: Dim, length: Dim, hooks: BuildHooks): LayerCache => ({
    key: split(project(`${path}.k`, state, hooks), batch, length),
    value: split(project(`${path}.v`, state, hooks), batch, length),
  });

  /** The sub-layers of a layer: attention to its own text, in the decoder to that which is read, and the feed-forward part. */
  const layerOf = (
    path: string,
    state: Tensor,
    attends: readonly [of: string, attend: Attend][],
    hooks: BuildHooks,
  ) => {
    const end = (module: string, x: Tensor, residual: Tensor) => {
      const y = hooks.dropout(project(module, x, hooks), dropout);
      return hooks.endSubLayer(module, y, (out) => ops.add(residual, out));
    };
    let current = state;
    for (const [place, [of, attendTo]] of attends.entries()) {
      const own = `${path}.layer.${place}`;
      const mixed = attendTo(`${own}.${of}`, norm(`${own}.layer_norm`, current, hooks));
      current = end(`${own}.${of}.o`, mixed, current);
    }
    const own = `${path}.layer.${attends.length}`;
    const entered = norm(`${own}.layer_norm`, current, hooks);
    const inward = (name: string) => project(`${own}.DenseReluDense.${name}`, entered, hooks);
    const activate = activations[model.activation];
    const inner = model.isGated ? ops.mul(activate(inward('wi_0')), inward('wi_1')) : activate(inward('wi'));
    return end(`${own}.DenseReluDense.wo`, hooks.dropout(inner, dropout), current);
  };

  /** Attention of a whole text to itself. @param mask what is added to scores beside the distances */
  const selfAttention = (stack: Stack, batch: Dim, seq: Dim, mask: Tensor, hooks: BuildHooks) => {
    const biases = new Map<Tensor, Tensor>();
    return (layer: number): [string, Attend] => {
      const table = tableOf(stack, layer, hooks);
      const bias = biases.get(table) ?? ops.add(distanceBias(table, seq, bucketsOf(stack)), mask);
      biases.set(table, bias);
      return [
        'SelfAttention',
        (path, state) =>
          attend(
            split(project(`${path}.q`, state, hooks), batch, seq),
            keysOf(path, state, batch, seq, hooks),
            bias,
            hooks,
          ),
      ];
    };
  };

  /** The encoder's states. */
  const read = (inputs: BatchInputs, hooks: BuildHooks): Tensor => {
    const { encoder } = model;
    const { batch, seq } = sizesOf(inputs);
    const ofItself = selfAttention(encoder, batch, seq, paddingBias(inputs), hooks);
    let state = embed(inputs.inputIds, hooks);
    for (let layer = 0; layer < encoder.layers; layer++) {
      state = layerOf(`encoder.block.${layer}`, hooks.startLayer(state), [ofItself(layer)], hooks);
    }
    return finish(encoder, state, hooks);
  };

  /** The decoder's states. Padding stands behind a text, where none of its tokens looks. */
  const write = (inputs: BatchInputs, hooks: BuildHooks): Tensor => {
    const { decoder } = model;
    const { batch, seq } = sizesOf(inputs);
    const ids = inputs.targetIds!;
    const target = ids.shape[1]!;
    const source = read(inputs, hooks);
    const padding = paddingBias(inputs);
    const places = ops.range(target);
    const ofItself = selfAttention(decoder, batch, target, causalBias(places, places), hooks);
    const ofSource: [string, Attend] = [
      'EncDecAttention',
      (path, state) =>
        attend(
          split(project(`${path}.q`, state, hooks), batch, target),
          keysOf(path, source, batch, seq, hooks),
          padding,
          hooks,
        ),
    ];
    let state = embed(ids, hooks);
    for (let layer = 0; layer < decoder.layers; layer++) {
      state = layerOf(`decoder.block.${layer}`, hooks.startLayer(state), [ofItself(layer), ofSource], hooks);
    }
    return finish(decoder, state, hooks);
  };

  /** Logits of the vocabulary [rows, vocab] from states of the decoder. */
  const logits = (states: Tensor, hooks: BuildHooks): Tensor =>
    vocabularyLogits(model.isScaled ? ops.scale(states, hidden ** -0.5) : states, hooks);

  const keysAndValues = (inputs: BatchInputs, hooks: BuildHooks): LayerCache[] => {
    const { batch, seq } = sizesOf(inputs);
    const source = read(inputs, hooks);
    return Array.from({ length: model.decoder.layers }, (_, layer) =>
      keysOf(`decoder.block.${layer}.layer.1.EncDecAttention`, source, batch, seq, hooks),
    );
  };

  const step = (inputs: WritingInputs, hooks: BuildHooks) => {
    const { decoder } = model;
    const { inputIds, past, sources } = inputs;
    const batch = inputIds.shape[0]!;
    const visible = stepBias(inputs);
    const padding = beyond(inputs.sourceLengths, sources[0]!.key.shape[2]!);
    const distances = stepDistances(inputs);
    let state = embed(inputIds, hooks);
    const added: LayerCache[] = [];
    for (let layer = 0; layer < decoder.layers; layer++) {
      const values = distanceValues(tableOf(decoder, layer, hooks), distances, bucketsOf(decoder));
      const byDistance = ops.transpose(values, [0, 3, 1, 2]);
      const ofItself: Attend = (path, entered) => {
        const own = keysOf(path, entered, batch, 1, hooks);
        added.push(own);
        const query = split(project(`${path}.q`, entered, hooks), batch, 1);
        const bias = ops.add(byDistance, visible);
        return mergeHeads(stepAttention({ query, added: own, past: past[layer]!, bias, alpha: 1 }));
      };
      const ofSource: Attend = (path, entered) =>
        attend(split(project(`${path}.q`, entered, hooks), batch, 1), sources[layer]!, padding, hooks);
      const attends: [string, Attend][] = [
        ['SelfAttention', ofItself],
        ['EncDecAttention', ofSource],
      ];
      state = layerOf(`decoder.block.${layer}`, state, attends, hooks);
    }
    return { logits: logits(finish(decoder, state, hooks), hooks), added };
  };

  return { read, write, logits, keysAndValues, step };
}

/** From the new token of each text to what it may see, itself first: float32 [batch, 1, 1 + past]. */
function stepDistances({ lengths, past }: WritingInputs): Tensor {
  const [batch, size] = [lengths.shape[0]!, past[0]!.key.shape[2]!];
  const places = ops.reshape(ops.cast(ops.range(size), 'float32'), [1, 1, size]);
  const before = ops.sub(places, ops.reshape(ops.cast(lengths, 'float32'), [batch, 1, 1]));
  return ops.concat([ops.zeros([batch, 1, 1]), before], 2, seen);
}

/** 0 where a text that is read has a token, the most negative float behind it: [batch, 1, 1, source]. */
function beyond(lengths: Tensor, size: Dim): Tensor {
  const places = ops.reshape(ops.cast(ops.range(size), 'float32'), [1, 1, 1, size]);
  const length = ops.reshape(ops.cast(lengths, 'float32'), [lengths.shape[0]!, 1, 1, 1]);
  return ops.where(ops.greater(length, places), constant(0), constant(masked));
}
