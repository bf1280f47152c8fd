import type { AdapterPlan } from '../adapters/plan.js';
import { firstNotFinite, NotFiniteError } from '../engine/notFinite.js';
import type { Parameter } from '../engine/parameters.js';
import { openProgram } from '../engine/program.js';
import { DiffoError } from '../errors.js';
import { input, type Tensor } from '../graph/index.js';
import { type CachedDecoder, decoderNames, type LayerCache, type Model } from '../models/model.js';
import { type DeviceTensor, host } from '../runtime/deviceTensor.js';

/** Keys and values of every layer up to a position, as the runtime returned them. */
export interface DecoderState {
  /** Tokens in the cache. */
  readonly length: number;
  readonly caches: Readonly<Record<string, DeviceTensor>>;
}

/** A causal model compiled for generation: one graph serves the prompt and every step after it. */
export interface Decoder {
  readonly emptyState: DecoderState;
  /** Of an encoder-decoder: the token that a text begins after, which is written while the prompt is read. */
  readonly startTokenId?: number;
  /**
   * Logits [vocab] of the token after `ids`, which follow what `state` holds. States can be used again.
   * @throws NotFiniteError when one of them is not finite
   */
  next(state: DecoderState, ids: readonly number[]): Promise<{ logits: Float32Array; state: DecoderState }>;
  release(): Promise<void>;
}

export interface DecoderOptions {
  readonly plan: AdapterPlan;
  readonly parameters: readonly Parameter[];
  readonly threads: number;
}

/**
 * Compiles a decoder with the adapters of a plan.
 * @throws DiffoError when the model has no causal head
 */
export async function openDecoder(model: Model, { plan, parameters, threads }: DecoderOptions): Promise<Decoder> {
  const { cached } = model;
  if (cached === undefined) {
    throw new DiffoError(`${model.checkpoint.name} (${model.family}) cannot generate text: it is no causal model.`);
  }
  const { heads, headSize } = cached;
  const cacheNames = cacheNamesOf(model);
  const built = () =>
    openProgram<'logits' | `next ${string}`>(model, {
      plan,
      parameters,
      threads,
      outputs({ hooks }) {
        const step = cached.next(
          {
            inputIds: input('input_ids', 'int64', ['batch', 'seq']),
            positions: input('positions', 'int64', ['seq']),
            keyPositions: input('key_positions', 'int64', ['total']),
            past: cacheInputs(cached),
          },
          hooks,
        );
        return { logits: step.logits, ...nextCaches(step.present) };
      },
    });
  const program = await (model.file?.next?.({ threads }) ?? built());
  const empty = host.zeros([1, heads, 0, headSize]);
  return {
    emptyState: { length: 0, caches: Object.fromEntries(cacheNames.flat().map((name) => [name, empty])) },
    async next(state, ids) {
      const total = state.length + ids.length;
      const results = await program.run({
        ...state.caches,
        input_ids: { data: BigInt64Array.from(ids, BigInt), shape: [1, ids.length] },
        positions: { data: counting(state.length, total), shape: [ids.length] },
        key_positions: { data: counting(0, total), shape: [total] },
      });
      const caches = Object.fromEntries(cacheNames.flat().map((name) => [name, results[`next ${name}`]!]));
      const logits = results.logits.data;
      const broken = firstNotFinite([{ name: 'logits', values: logits }]);
      if (broken !== undefined) throw notFiniteLogits(model, broken);
      return { logits, state: { length: total, caches } };
    },
    release: () => program.release(),
  };
}

/** Names of the keys and values of each layer, as graphs have them. */
export function cacheNamesOf({ cached }: Pick<Model, 'cached'>): (readonly [key: string, value: string])[] {
  return Array.from({ length: cached?.layers ?? 0 }, (_, layer) => decoderNames(layer));
}

/**
 * The caches of every layer as inputs of a graph, under the names of {@link cacheNamesOf}.
 * @param options.length name of the size of what they hold
 */
export function cacheInputs(
  { layers, heads, headSize }: Pick<CachedDecoder, 'layers' | 'heads' | 'headSize'>,
  { length = 'past', named = (name: string) => name } = {},
): LayerCache[] {
  const cache = (name: string) => input(named(name), 'float32', ['batch', heads, length, headSize]);
  return Array.from({ length: layers }, (_, layer) => {
    const [key, value] = decoderNames(layer);
    return { key: cache(key), value: cache(value) };
  });
}

/** What goes on from them, by the same names behind `next `. */
export function nextCaches(caches: readonly LayerCache[]): Record<`next ${string}`, Tensor> {
  return Object.fromEntries(
    caches.flatMap((cache, layer) => {
      const [key, value] = decoderNames(layer);
      return [
        [`next ${key}`, cache.key],
        [`next ${value}`, cache.value],
      ];
    }),
  );
}

/** @param broken what is not finite, and where */
export function notFiniteLogits({ checkpoint }: Pick<Model, 'checkpoint'>, broken: string): NotFiniteError {
  return new NotFiniteError(
    `${checkpoint.name} cannot say which token follows: ${broken}. The adapter has diverged or the base model is broken; take another.`,
  );
}

function counting(start: number, end: number): BigInt64Array {
  return BigInt64Array.from({ length: end - start }, (_, i) => BigInt(start + i));
}
