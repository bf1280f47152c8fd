import type { CachedDecoder } from '../models/model.js';
import { type HostTensor, host } from '../runtime/deviceTensor.js';
import type { Bindings } from '../runtime/session.js';

/** Positions by which the rows grow. */
const positionsAtOnce = 128;

/** The place of a text among the rows. */
export interface KeyValueRow {
  /** Which row; another one once a row before it was removed. */
  readonly index: number;
  /** Tokens whose keys and values it holds. */
  readonly length: number;
}

/** Keys and values of several texts side by side, each in a row of its own, as a step reads them. */
export interface KeyValueRows {
  readonly count: number;
  /** Tokens of each row. */
  readonly lengths: readonly number[];
  /** A new row with the caches of a text, [1, heads, length, headSize] by name. */
  add(caches: Readonly<Record<string, Pick<HostTensor, 'data'>>>, length: number): KeyValueRow;
  /** Removes a row. The last one takes its place. */
  remove(row: KeyValueRow): void;
  /** Makes room for one more token in each row. */
  grow(): void;
  /** All rows, by name: [count, heads, positions, headSize]. Read in place, until rows are added, removed or grow. */
  feeds(): Bindings;
  /** Appends a token to a row. @param added of all rows, by name: [count, heads, 1, headSize] */
  append(row: KeyValueRow, added: (name: string) => Float32Array): void;
}

/** @param names of the caches, each of which has a tensor */
export function keyValueRows(
  names: readonly string[],
  { heads, headSize }: Pick<CachedDecoder, 'heads' | 'headSize'>,
): KeyValueRows {
  const rows: { index: number; length: number }[] = [];
  let [places, positions] = [0, 0];
  let caches = new Map<string, Float32Array>();
  const rowSize = () => heads * positions * headSize;

  /** Moves all rows into arrays of these sizes, where they are larger. */
  const reserve = (wantedPlaces: number, wantedPositions: number) => {
    if (wantedPlaces <= places && wantedPositions <= positions) return;
    const [oldPositions, oldSize] = [positions, rowSize()];
    places = Math.max(places, wantedPlaces);
    positions = Math.max(positions, Math.ceil(wantedPositions / positionsAtOnce) * positionsAtOnce);
    const moved = (old: Float32Array | undefined) => {
      const cache = new Float32Array(places * rowSize());
      for (const { index, length } of rows) {
        for (let head = 0; head < heads; head++) {
          const from = index * oldSize + head * oldPositions * headSize;
          const to = index * rowSize() + head * positions * headSize;
          cache.set(old!.subarray(from, from + length * headSize), to);
        }
      }
      return cache;
    };
    caches = new Map(names.map((name) => [name, moved(caches.get(name))]));
  };

  return {
    get count() {
      return rows.length;
    },
    get lengths() {
      return rows.map(({ length }) => length);
    },
    add(given, length) {
      reserve(rows.length + 1, length + 1);
      const row = { index: rows.length, length };
      for (const [name, cache] of caches) {
        const values = given[name]!.data as Float32Array;
        for (let head = 0; head < heads; head++) {
          const from = head * length * headSize;
          const to = row.index * rowSize() + head * positions * headSize;
          cache.set(values.subarray(from, from + length * headSize), to);
        }
      }
      rows.push(row);
      return row;
    },
    remove({ index }) {
      const last = rows.pop()!;
      const [from, end] = [last.index * rowSize(), (last.index + 1) * rowSize()];
      for (const cache of caches.values()) {
        cache.copyWithin(index * rowSize(), from, end);
        // What is left behind a text is multiplied by 0, which makes nothing of numbers alone.
        cache.fill(0, from, end);
      }
      if (last.index !== index) {
        last.index = index;
        rows[index] = last;
      }
      if (rows.length > 0) return;
      [places, positions] = [0, 0];
      caches = new Map();
    },
    grow() {
      reserve(rows.length, Math.max(...rows.map(({ length }) => length)) + 1);
    },
    feeds() {
      const shape = [rows.length, heads, positions, headSize];
      const all = [...caches].map(
        ([name, cache]) => [name, host.tensor(cache.subarray(0, rows.length * rowSize()), shape)] as const,
      );
      return Object.fromEntries(all);
    },
    append({ index }, added) {
      const row = rows[index]!;
      for (const [name, cache] of caches) {
        const values = added(name);
        for (let head = 0; head < heads; head++) {
          const from = (index * heads + head) * headSize;
          cache.set(
            values.subarray(from, from + headSize),
            index * rowSize() + (head * positions + row.length) * headSize,
          );
        }
      }
      row.length++;
    },
  };
}
