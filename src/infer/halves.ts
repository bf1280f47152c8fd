import { openProgram } from '../engine/program.js';
import { DiffoError } from '../errors.js';
import { input } from '../graph/index.js';
import type { EncoderDecoder, LayerCache, Model } from '../models/model.js';
import { decoderNames } from '../models/model.js';
import type { HostTensor } from '../runtime/deviceTensor.js';
import { openTogether, releaseAll } from '../runtime/release.js';
import type { Bindings } from '../runtime/session.js';
import { cacheInputs, type DecoderOptions, nextCaches } from './decoder.js';

/** Keys and values by the names of {@link HalfNames}, [1 or texts, heads, length, headSize] each. */
export type Caches = Readonly<Record<string, HostTensor<Float32Array>>>;

/** Names of the keys and values of each layer of a decoder beside an encoder. */
interface HalfNames {
  /** Of the text that is written: what {@link decoderNames} says. */
  readonly written: readonly string[];
  /** Of the text that is read. */
  readonly read: readonly string[];
}

/** The two halves of an encoder-decoder, compiled: a text is read once, and then another is written token by token. */
export interface Halves {
  readonly of: EncoderDecoder;
  readonly names: HalfNames;
  /** What the decoder reads of a text, for all of its layers. */
  read(ids: readonly number[]): Promise<Caches>;
  /**
   * Logits [texts, vocab] of the token after each new one, and the keys and values of these alone, behind `next ` by name.
   * @param feeds keys and values of what is read and written before, and the new tokens
   */
  step(feeds: Bindings): Promise<Readonly<Record<string, HostTensor<Float32Array>>>>;
  release(): Promise<void>;
}

const readName = (name: string) => `read ${name}`;

/**
 * Compiles an encoder-decoder with the adapters of a plan.
 * @throws DiffoError when the model is none
 */
export async function openHalves(model: Model, { plan, parameters, threads }: DecoderOptions): Promise<Halves> {
  const { encoderDecoder: of } = model;
  if (of === undefined) {
    throw new DiffoError(`${model.checkpoint.name} (${model.family}) cannot write a text while it reads another.`);
  }
  const graph = { plan, parameters, threads };
  const written = Array.from({ length: of.layers }, (_, layer) => decoderNames(layer)).flat();
  const { reader, writer } = await openTogether(async (keep) => ({
    reader: await keep(
      openProgram<string>(model, {
        ...graph,
        outputs: ({ hooks }) => namedCaches(of.read(readInputs(), hooks), readName),
      }),
    ),
    writer: await keep(
      openProgram<string>(model, {
        ...graph,
        outputs({ hooks }) {
          const { logits, added } = of.step(
            {
              inputIds: input('input_ids', 'int64', ['batch']),
              lengths: input('lengths', 'int64', ['batch']),
              past: cacheInputs(of),
              sources: cacheInputs(of, { length: 'source', named: readName }),
              sourceLengths: input('source_lengths', 'int64', ['batch']),
            },
            hooks,
          );
          return { logits, ...nextCaches(added) };
        },
      }),
    ),
  }));
  return {
    of,
    names: { written, read: written.map(readName) },
    read: (ids) =>
      reader.run({
        input_ids: { data: BigInt64Array.from(ids, BigInt), shape: [1, ids.length] },
        attention_mask: { data: new BigInt64Array(ids.length).fill(1n), shape: [1, ids.length] },
      }),
    step: (feeds) => writer.run(feeds),
    release: () => releaseAll([reader, writer]),
  };
}

/** A text by itself is never padded, so that nothing of it depends on others. */
function readInputs() {
  const tokens = (name: string) => input(name, 'int64', ['batch', 'seq']);
  return {
    inputIds: tokens('input_ids'),
    attentionMask: tokens('attention_mask'),
    tokenTypeIds: tokens('token_type_ids'),
  };
}

function namedCaches(caches: readonly LayerCache[], named: (name: string) => string) {
  return Object.fromEntries(
    caches.flatMap((cache, layer) => {
      const [key, value] = decoderNames(layer);
      return [
        [named(key), cache.key],
        [named(value), cache.value],
      ];
    }),
  );
}
