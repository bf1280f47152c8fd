import type { AdapterPlan } from '../adapters/plan.js';
import { firstNotFinite, NotFiniteError } from '../engine/notFinite.js';
import type { Parameter } from '../engine/parameters.js';
import { openProgram } from '../engine/program.js';
import { DiffoError } from '../errors.js';
import { input } from '../graph/index.js';
import { decoderNames, type Model } from '../models/model.js';
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
  const cacheShape = ['batch', heads, 'past', headSize];
  const cacheNames = cacheNamesOf(model);
  const past = cacheNames.map(([key, value]) => ({
    key: input(key, 'float32', cacheShape),
    value: input(value, 'float32', cacheShape),
  }));
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
            past,
          },
          hooks,
        );
        const presents = step.present.flatMap(({ key, value }, layer) => [
          [`next ${cacheNames[layer]![0]}`, key] as const,
          [`next ${cacheNames[layer]![1]}`, value] as const,
        ]);
        return { logits: step.logits, ...Object.fromEntries(presents) };
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

/** @param broken what is not finite, and where */
export function notFiniteLogits({ checkpoint }: Pick<Model, 'checkpoint'>, broken: string): NotFiniteError {
  return new NotFiniteError(
    `${checkpoint.name} cannot say which token follows: ${broken}. The adapter has diverged or the base model is broken; take another.`,
  );
}

function counting(start: number, end: number): BigInt64Array {
  return BigInt64Array.from({ length: end - start }, (_, i) => BigInt(start + i));
}
