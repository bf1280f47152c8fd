import { constant, type Dim, ops, type Tensor } from '../graph/index.js';
import { bidirectionalBias, causalBias, paddedCausalBias } from './causal.js';
import { finalRows, lengthsOf, masked, sizesOf } from './layers.js';
import type { BatchInputs, BuildHooks, CachedDecoder, CachedInputs, LayerCache, StepInputs } from './model.js';
import type { Rotary, RotaryTables } from './rotary.js';
import { stepBias } from './stepAttention.js';

/** Where the tokens of a call stand, and what each of them sees. */
export interface Places {
  readonly batch: Dim;
  /** New tokens of each text. */
  readonly seq: Dim;
  /** Tokens of each text that keys stand for, those of a cache that is appended to counted. */
  readonly total: Dim;
  /**
   * Rows of a table of positions: [seq, width], or [batch, (seq,) width] where each text has its own.
   * @param offset row of the first position
   */
  rows(table: Tensor, offset?: number): Tensor;
  /** Made once for every one that is asked for. */
  tables(rotary: Rotary): RotaryTables;
  /** 0 where a query may see a key, the most negative float elsewhere: [(batch, 1 or heads,) 1 or seq, total]. */
  bias(window?: number): Tensor;
}

export interface LayerInputs {
  /** [batch*seq, hidden] */
  readonly state: Tensor;
  readonly places: Places;
  /** The cache before: it is appended to. */
  readonly past?: LayerCache;
  /** The cache of a step of one token a text: it is read where it lies. */
  readonly kept?: LayerCache;
}

/** What a decoder is made of. States are [batch*seq, hidden]. */
export interface DecoderParts {
  readonly layers: number;
  /** False where every token sees the whole text. */
  readonly isCausal: boolean;
  embed(inputIds: Tensor, places: Places, hooks: BuildHooks): Tensor;
  layer(index: number, inputs: LayerInputs, hooks: BuildHooks): { readonly state: Tensor; readonly cache: LayerCache };
  /** The norm behind the last layer, where there is one. */
  finish(state: Tensor, hooks: BuildHooks): Tensor;
  /** Logits of the next token [rows, vocab] from finished states [rows, hidden]. */
  logits(states: Tensor, hooks: BuildHooks): Tensor;
}

/**
 * States behind the last norm [batch*seq, hidden].
 * @param options.masksPadding a text's own tokens never see padding, which stands behind them; true where what padding sees counts too
 */
export function decoderStates(
  parts: DecoderParts,
  inputs: BatchInputs,
  hooks: BuildHooks,
  { masksPadding = false } = {},
): Tensor {
  const { batch, seq } = sizesOf(inputs);
  const positions = ops.range(seq);
  const causal = (window: number | undefined) => {
    const bias = causalBias(positions, positions, window);
    return masksPadding ? hidingPadding(inputs, bias) : bias;
  };
  const places = placesOf({
    batch,
    seq,
    total: seq,
    rows: (table, offset = 0) => ops.slice(table, { axis: 0, start: offset, length: seq }),
    tables: (rotary) => rotary.tables(positions, rotary.dependsOnLength ? lengthsOf(inputs) : ops.size(seq)),
    bias: (window) => (parts.isCausal ? causal(window) : bidirectionalBias(inputs, positions, window)),
  });
  let state = parts.embed(inputs.inputIds, places, hooks);
  for (let layer = 0; layer < parts.layers; layer++) {
    state = hooks.startLayer(state);
    state = parts.layer(layer, { state, places }, hooks).state;
  }
  return parts.finish(state, hooks);
}

/** How it writes texts. @param of heads of keys and values, and their size */
export function cachedDecoder(parts: DecoderParts, of: Pick<CachedDecoder, 'heads' | 'headSize'>): CachedDecoder {
  return {
    layers: parts.layers,
    ...of,
    next: (inputs, hooks) => nextLogits(parts, inputs, hooks),
    step: (inputs, hooks) => stepLogits(parts, inputs, hooks),
  };
}

function nextLogits(parts: DecoderParts, inputs: CachedInputs, hooks: BuildHooks) {
  const { batch, seq } = sizesOf(inputs);
  const { padding, positions, keyPositions } = inputs;
  const total = keyPositions.shape[0]!;
  const places = placesOf({
    batch,
    seq,
    total,
    rows: (table, offset) => ops.gather(table, moved(positions, offset)),
    tables: (rotary) => rotary.tables(positions, ops.size(total)),
    bias: (window) =>
      padding === undefined
        ? causalBias(positions, keyPositions, window)
        : paddedCausalBias(padding, keyPositions, window),
  });
  let state = parts.embed(inputs.inputIds, places, hooks);
  const present = inputs.past.map((past, layer) => {
    const result = parts.layer(layer, { state, places, past }, hooks);
    state = result.state;
    return result.cache;
  });
  const wanted = inputs.logitsOf === 'all' ? state : ops.gather(state, finalRows(batch, seq));
  return { logits: parts.logits(parts.finish(wanted, hooks), hooks), present };
}

function stepLogits(parts: DecoderParts, inputs: StepInputs, hooks: BuildHooks) {
  const { inputIds, lengths } = inputs;
  const batch = inputIds.shape[0]!;
  const whole = ops.add(ops.cast(lengths, 'float32'), constant(1));
  const places = placesOf({
    batch,
    seq: 1,
    total: 1,
    rows: (table, offset) => ops.gather(table, moved(lengths, offset)),
    tables: (rotary) => rotary.tables(ops.reshape(lengths, [batch, 1]), whole),
    bias: (window) => stepBias(inputs, window),
  });
  let state = parts.embed(inputIds, places, hooks);
  const added = inputs.past.map((kept, layer) => {
    const result = parts.layer(layer, { state, places, kept }, hooks);
    state = result.state;
    return result.cache;
  });
  return { logits: parts.logits(parts.finish(state, hooks), hooks), added };
}

/** Tables and biases that layers share are made once. */
function placesOf(places: Places): Places {
  const tables = new Map<Rotary, RotaryTables>();
  const biases = new Map<number | undefined, Tensor>();
  return {
    ...places,
    tables(rotary) {
      const made = tables.get(rotary) ?? places.tables(rotary);
      tables.set(rotary, made);
      return made;
    },
    bias(window) {
      const made = biases.get(window) ?? places.bias(window);
      biases.set(window, made);
      return made;
    },
  };
}

/** int64 positions, further on by a number of rows. */
function moved(positions: Tensor, offset = 0): Tensor {
  if (offset === 0) return positions;
  return ops.cast(ops.add(ops.cast(positions, 'float32'), constant(offset)), 'int64');
}

function hidingPadding(inputs: BatchInputs, causal: Tensor): Tensor {
  const { batch, seq } = sizesOf(inputs);
  const isToken = ops.reshape(ops.cast(inputs.attentionMask, 'float32'), [batch, 1, 1, seq]);
  return ops.where(ops.greater(isToken, constant(0)), causal, constant(masked));
}
