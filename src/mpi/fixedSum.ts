import { toBFloat16 } from '../checkpoint/halves.js';
import type { Transport } from './transport.js';

/** Types in which ranks send what is summed. */
export const reduceTypes = ['float32', 'bf16'] as const;
export type ReduceType = (typeof reduceTypes)[number];

type Numbers = Float32Array | Float64Array;

/** Numbers of a round: what is sent, what comes and the sum of it lie beside what is summed. */
const usualRound = 4 * 2 ** 20;

export interface SumOptions {
  /** What each rank's numbers are multiplied by, the same list on all ranks; 0: a rank has nothing to add. Default 1. */
  readonly factors?: readonly number[] | undefined;
  /** Of float32 arrays: bf16 halves the bytes, and rounds what is sent and the sum to 8 bits of a number. Default float32. */
  readonly as?: ReduceType | undefined;
}

/**
 * Sums arrays over the ranks in place, in the order of the ranks whatever the library does: each rank gets a part of all
 * arrays from everybody, sums it, and gives it to everybody. No more bytes pass than in a ring (2 (N − 1)/N of the arrays a
 * rank), and all ranks have the same bits: those of `accumulator`, which adds up the parts of a batch in this order.
 * @param arrays of the same lengths on all ranks
 */
export async function fixedSum(
  transport: Transport,
  arrays: readonly Numbers[],
  { factors = new Array<number>(transport.size).fill(1), as = 'float32' }: SumOptions = {},
  round = usualRound,
): Promise<void> {
  for (const group of [Float32Array, Float64Array]) {
    const own = arrays.filter((one) => one instanceof group);
    const total = own.reduce((sum, { length }) => sum + length, 0);
    const isHalved = as === 'bf16' && group === Float32Array;
    for (let start = 0; start < total; start += round) {
      const values = new group(Math.min(round, total - start));
      if (factors[transport.rank] !== 0) {
        eachPiece(own, start, values.length, (piece, at) => values.set(piece, at));
      }
      await sumRound(transport, values, factors, isHalved);
      eachPiece(own, start, values.length, (piece, at) => piece.set(values.subarray(at, at + piece.length)));
    }
  }
}

/** The pieces of arrays that lie in a stretch of them all, and where each begins in it. */
function eachPiece(
  arrays: readonly Numbers[],
  start: number,
  length: number,
  take: (piece: Numbers, at: number) => void,
): void {
  let passed = -start;
  for (const array of arrays) {
    const [from, to] = [Math.max(0, -passed), Math.min(array.length, length - passed)];
    if (from < to) take(array.subarray(from, to), passed + from);
    passed += array.length;
  }
}

async function sumRound(transport: Transport, values: Numbers, factors: readonly number[], isHalved: boolean) {
  const { rank, size } = transport;
  const width = isHalved ? 2 : values.BYTES_PER_ELEMENT;
  const part = Math.ceil(values.length / size);
  const lengthOf = (of: number) => Math.max(0, Math.min(values.length, (of + 1) * part) - of * part);
  const counts = Int32Array.from({ length: size }, (_, of) => width * lengthOf(of));
  const own = lengthOf(rank);
  const sent = isHalved ? toBFloat16(values as Float32Array) : values;
  const came = await transport.exchange(bytesOf(sent), counts, new Int32Array(size).fill(width * own));
  const parts = numbersOf(came, values, isHalved);
  const sum = values instanceof Float32Array ? new Float32Array(own) : new Float64Array(own);
  let isFirst = true;
  for (const [from, factor] of factors.entries()) {
    if (factor === 0) continue;
    const part = parts.subarray(from * own, (from + 1) * own);
    if (sum instanceof Float32Array) add32(sum, part as Float32Array, factor, isFirst);
    else add64(sum, part as Float64Array, factor, isFirst);
    isFirst = false;
  }
  const given = isHalved ? toBFloat16(sum as Float32Array) : sum;
  values.set(numbersOf(await transport.gather(bytesOf(given), counts), values, isHalved));
}

/** For each type a loop of its own: one for both takes ten times as long in V8. */
function add32(sum: Float32Array, part: Float32Array, factor: number, isFirst: boolean): void {
  if (isFirst) for (let i = 0; i < sum.length; i++) sum[i] = factor * part[i]!;
  else for (let i = 0; i < sum.length; i++) sum[i] = sum[i]! + factor * part[i]!;
}

function add64(sum: Float64Array, part: Float64Array, factor: number, isFirst: boolean): void {
  if (isFirst) for (let i = 0; i < sum.length; i++) sum[i] = factor * part[i]!;
  else for (let i = 0; i < sum.length; i++) sum[i] = sum[i]! + factor * part[i]!;
}

const bytesOf = ({ buffer, byteOffset, byteLength }: Numbers | Uint16Array) =>
  new Uint8Array(buffer, byteOffset, byteLength);

function numbersOf({ buffer, byteOffset, byteLength }: Uint8Array, like: Numbers, isHalved: boolean): Numbers {
  if (!isHalved) {
    return like instanceof Float32Array
      ? new Float32Array(buffer, byteOffset, byteLength / 4)
      : new Float64Array(buffer, byteOffset, byteLength / 8);
  }
  const halves = new Uint16Array(buffer, byteOffset, byteLength / 2);
  const wide = new Uint32Array(halves.length);
  for (let i = 0; i < wide.length; i++) wide[i] = halves[i]! << 16;
  return new Float32Array(wide.buffer);
}
