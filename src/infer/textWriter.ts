import { firstNotFinite } from '../engine/notFinite.js';
import type { Model } from '../models/model.js';
import { type DecoderOptions, notFiniteLogits } from './decoder.js';
import type { FinishReason } from './generate.js';
import { openHalves } from './halves.js';
import { type KeyValueRow, keyValueRows } from './keyValueRows.js';
import { argmax } from './sample.js';

/** Texts that are written side by side. */
const together = 16;

export interface WriteOptions {
  readonly maxNewTokens: number;
  /** Ids that end a text; the one met is not given out. */
  readonly stopTokenIds: readonly number[];
  readonly signal?: AbortSignal | undefined;
  /** Called with the texts that are done, and the tokens that were read and written for them. */
  readonly onDone?: ((done: number, tokens: number) => void) | undefined;
}

/** What was written for a text. */
export interface WrittenIds {
  readonly ids: readonly number[];
  readonly finish: FinishReason;
}

/** An encoder-decoder, compiled to write: a text for each that is read, greedily. */
export interface TextWriter {
  /**
   * Texts in the order of `sources`. Each is read by itself, and written in a row of its own: what is beside it changes nothing.
   * @param sources ids, at least one each
   */
  write(sources: readonly (readonly number[])[], options: WriteOptions): Promise<WrittenIds[]>;
  release(): Promise<void>;
}

/** A text that is being written. */
interface Writing {
  readonly index: number;
  readonly own: KeyValueRow;
  readonly source: KeyValueRow;
  readonly ids: number[];
}

/** @throws DiffoError when the model is no encoder-decoder */
export async function openTextWriter(model: Model, options: DecoderOptions): Promise<TextWriter> {
  const halves = await openHalves(model, options);
  const { of, names } = halves;
  const nothing = Object.fromEntries(names.written.map((name) => [name, { data: new Float32Array() }]));
  return {
    async write(sources, { maxNewTokens, stopTokenIds, signal, onDone }) {
      const [own, read] = [keyValueRows(names.written, of), keyValueRows(names.read, of)];
      const written: WrittenIds[] = new Array(sources.length);
      let writing: Writing[] = [];
      let [begun, done, tokens] = [0, 0, 0];

      const begin = async () => {
        const index = begun++;
        const ids = sources[index]!;
        const source = read.add(await halves.read(ids), ids.length);
        writing.push({ index, own: own.add(nothing, 0), source, ids: [] });
        tokens += ids.length;
      };
      const end = (one: Writing, finish: FinishReason) => {
        own.remove(one.own);
        read.remove(one.source);
        writing = writing.filter((other) => other !== one);
        written[one.index] = { ids: one.ids, finish };
        tokens += one.ids.length;
        done++;
        onDone?.(done, tokens);
      };

      while (done < sources.length) {
        signal?.throwIfAborted();
        while (begun < sources.length && writing.length < together) await begin();
        own.grow();
        const last = new BigInt64Array(own.count);
        for (const { own: row, ids } of writing) last[row.index] = BigInt(ids.at(-1) ?? of.startTokenId);
        const lengthsOf = (lengths: readonly number[]) => ({
          data: BigInt64Array.from(lengths, BigInt),
          shape: [lengths.length],
        });
        const results = await halves.step({
          ...own.feeds(),
          ...read.feeds(),
          input_ids: { data: last, shape: [own.count] },
          lengths: lengthsOf(own.lengths),
          source_lengths: lengthsOf(read.lengths),
        });
        const all = results.logits!.data;
        const vocabulary = all.length / own.count;
        // Rows change places as texts end, so that what was found is read first.
        const found = writing.map((one) => {
          const logits = all.subarray(one.own.index * vocabulary, (one.own.index + 1) * vocabulary);
          const broken = firstNotFinite([{ name: 'logits', values: logits }]);
          if (broken !== undefined) throw notFiniteLogits(model, broken);
          own.append(one.own, (name) => results[`next ${name}`]!.data);
          return { one, id: argmax(logits) };
        });
        for (const { one, id } of found) {
          if (stopTokenIds.includes(id)) end(one, 'stop');
          else {
            one.ids.push(id);
            if (one.ids.length >= maxNewTokens) end(one, 'length');
          }
        }
      }
      return written;
    },
    release: halves.release,
  };
}
