import type { AdapterPlan } from '../adapters/plan.js';
import { toBFloat16 } from '../checkpoint/halves.js';
import { ops, type Tensor } from '../graph/index.js';
import type { Model } from '../models/model.js';
import { host } from '../runtime/deviceTensor.js';
import type { EncodedExample } from './batch.js';
import { collate } from './batching.js';
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
  return hiddenSize * codecs[type].bytes;
}

/**
 * What enters a layer, computed for an example by itself, at its own length, and kept. So it is a function of the example
 * alone: neither the rows beside it nor what the store had room for changes a bit. Padding gets zeros; no token sees it.
 */
export async function openPrefixStates(model: Model, options: PrefixStatesOptions): Promise<PrefixStates> {
  const { plan, parameters, layer, hiddenSize, type, store, threads } = options;
  const { pack, unpack } = codecs[type];
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
    if (kept !== undefined) return unpack(kept);
    const state = host.zeros([1, example.inputIds.length, hiddenSize]);
    await program.run(batchFeeds(collate([example], model.padTokenId), false), { state });
    const packed = pack(state.data);
    await store.put(example, packed);
    return unpack(packed);
  };

  return {
    async feeds({ batchSize, sequenceLength, examples }) {
      if (examples === undefined) throw new Error('states are kept by example, and this batch does not name its own');
      const stride = sequenceLength * hiddenSize;
      const data = new Float32Array(batchSize * stride);
      for (const [row, example] of examples.entries()) data.set(await stateOf(example), row * stride);
      return { [prefixState]: { data, shape: [batchSize, sequenceLength, hiddenSize] } };
    },
    async release() {
      await program.release();
      await store.release();
    },
  };
}

/** How states are written as bytes, in this machine's order. */
interface Codec {
  readonly bytes: number;
  pack(values: Float32Array): Uint8Array;
  unpack(bytes: Uint8Array): Float32Array;
}

const codecs: Readonly<Record<StateType, Codec>> = {
  float32: {
    bytes: 4,
    pack: ({ buffer, byteOffset, byteLength }) => new Uint8Array(buffer, byteOffset, byteLength),
    unpack: ({ buffer, byteOffset, byteLength }) => new Float32Array(buffer, byteOffset, byteLength / 4),
  },
  bfloat16: {
    bytes: 2,
    pack: (values) => new Uint8Array(toBFloat16(values).buffer),
    unpack({ buffer, byteOffset, byteLength }) {
      const upper = new Uint16Array(buffer, byteOffset, byteLength / 2);
      return new Float32Array(Uint32Array.from(upper, (half) => half << 16).buffer);
    },
  },
};
