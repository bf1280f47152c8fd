import type { AdapterPlan } from '../adapters/plan.js';
import { bytesAs, valuesOf } from '../checkpoint/floatTypes.js';
import { ops, type Tensor } from '../graph/index.js';
import type { Model } from '../models/model.js';
import { host } from '../runtime/deviceTensor.js';
import type { EncodedExample } from './batch.js';
import { collateTexts } from './batching.js';
import type { PrefixStates } from './frozenPrefix.js';
import { prefixState } from './frozenPrefix.js';
import { batchFeeds } from './modelGraph.js';
import type { Parameter } from './parameters.js';
import { openProgram } from './program.js';

/** Types in which states are kept. */
export const stateTypes = ['float32', 'bfloat16'] as const;
export type StateType = (typeof stateTypes)[number];

/** Keeps bytes by key as far as there is room. */
export interface ByteStore<Key> {
  get(key: Key): Promise<Uint8Array | undefined>;
  /** Keeps bytes, unless they do not fit. They are not changed afterwards. */
  put(key: Key, bytes: Uint8Array): Promise<void>;
  release(): Promise<void>;
}

export interface PrefixStatesOptions {
  readonly plan: AdapterPlan;
  readonly parameters: readonly Parameter[];
  /** The layer that the states enter. */
  readonly layer: number;
  readonly hiddenSize: number;
  readonly type: StateType;
  readonly store: ByteStore<EncodedExample>;
  readonly threads: number;
}

/** Bytes that the state of a token takes. */
export function stateBytes(hiddenSize: number, type: StateType): number {
  return hiddenSize * { float32: 4, bfloat16: 2 }[type];
}

/**
 * What enters a layer, computed for an example by itself, at its own length, and kept. So it is a function of the example
 * alone: neither the rows beside it nor what the store had room for changes a bit. Padding gets zeros; no token sees it.
 */
export async function openPrefixStates(model: Model, options: PrefixStatesOptions): Promise<PrefixStates> {
  const { plan, parameters, layer, hiddenSize, type, store, threads } = options;
  let entering: Tensor | undefined;
  const program = await openProgram(model, {
    plan,
    parameters,
    threads,
    enterLayer(state, index) {
      if (index === layer) entering = state;
      return state;
    },
    outputs({ logits }) {
      logits();
      return { state: ops.reshape(entering!, ['batch', 'seq', hiddenSize]) };
    },
  }).catch(async (error: unknown) => {
    await store.release();
    throw error;
  });

  const stateOf = async (example: EncodedExample): Promise<Float32Array> => {
    const kept = await store.get(example);
    if (kept !== undefined) return valuesOf(kept, type);
    const state = host.zeros([1, example.inputIds.length, hiddenSize]);
    await program.run(batchFeeds(collateTexts([example], model.padTokenId), false), { state });
    const packed = bytesAs(state.data, type);
    await store.put(example, packed);
    return valuesOf(packed, type);
  };

  return {
    async feeds({ batchSize, sequenceLength, rows }) {
      if (rows === undefined) throw new Error('states are kept by example, and this batch does not name its own');
      const stride = sequenceLength * hiddenSize;
      const data = new Float32Array(batchSize * stride);
      for (const [row, example] of rows.entries()) data.set(await stateOf(example), row * stride);
      return { [prefixState]: { data, shape: [batchSize, sequenceLength, hiddenSize] } };
    },
    async release() {
      await program.release();
      await store.release();
    },
  };
}
