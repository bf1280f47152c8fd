import { firstNotFinite } from '../engine/notFinite.js';
import type { Model } from '../models/model.js';
import { host } from '../runtime/deviceTensor.js';
import { type Decoder, type DecoderOptions, notFiniteLogits } from './decoder.js';
import { type Caches, openHalves } from './halves.js';

/** An encoder-decoder as a {@link Decoder} of one text: the first call reads a text, and those after it write another. */
export async function openWritingDecoder(model: Model, options: DecoderOptions): Promise<Decoder> {
  const halves = await openHalves(model, options);
  const { of, names } = halves;
  const { heads, headSize, startTokenId } = of;
  const nothing: Caches = Object.fromEntries(names.written.map((name) => [name, host.zeros([1, heads, 0, headSize])]));

  /** @param length tokens that were written before @param caches of what is read and of these */
  const write = async (caches: Caches, length: number, id: number) => {
    const sourceLength = caches[names.read[0]!]!.shape[2]!;
    const single = (value: number) => ({ data: BigInt64Array.of(BigInt(value)), shape: [1] });
    const results = await halves.step({
      ...caches,
      input_ids: single(id),
      lengths: single(length),
      source_lengths: single(sourceLength),
    });
    const broken = firstNotFinite([{ name: 'logits', values: results.logits!.data }]);
    if (broken !== undefined) throw notFiniteLogits(model, broken);
    const grown = names.written.map(
      (name) => [name, appended(caches[name]!, results[`next ${name}`]!, heads)] as const,
    );
    return { logits: results.logits!.data, caches: { ...caches, ...Object.fromEntries(grown) } };
  };

  return {
    startTokenId,
    emptyState: { length: 0, caches: nothing },
    async next(state, ids) {
      // A text that is read leaves its keys in the state; those that are written come one by one.
      const isRead = names.read[0]! in state.caches;
      let caches = state.caches as Caches;
      let length = state.length;
      if (!isRead) caches = { ...caches, ...(await halves.read(ids)) };
      let logits: Float32Array = new Float32Array();
      for (const id of isRead ? ids : [startTokenId]) {
        ({ logits, caches } = await write(caches, length, id));
        length++;
      }
      return { logits, state: { length, caches } };
    },
    release: halves.release,
  };
}

/** Keys or values with those of one token more: [1, heads, length + 1, headSize]. */
function appended(before: Caches[string], added: Caches[string], heads: number): Caches[string] {
  const [, , length, headSize] = before.shape as [number, number, number, number];
  const grown = host.zeros([1, heads, length + 1, headSize]);
  for (let head = 0; head < heads; head++) {
    const at = head * (length + 1) * headSize;
    grown.data.set(before.data.subarray(head * length * headSize, (head + 1) * length * headSize), at);
    grown.data.set(added.data.subarray(head * headSize, (head + 1) * headSize), at + length * headSize);
  }
  return grown;
}
