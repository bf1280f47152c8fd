/** How bytes get from rank to rank. Every rank calls the same in the same order; calls do not overlap. */
export interface Transport {
  /** From 0. */
  readonly rank: number;
  readonly size: number;
  /**
   * Everybody sends everybody a part of what it has.
   * @param send the parts, one behind the other
   * @param counts bytes of the part of each rank
   * @param received bytes that come from each
   * @returns what came, in the order of the ranks
   */
  exchange(send: Uint8Array, counts: Int32Array, received: Int32Array): Promise<Uint8Array>;
  /**
   * Everybody gets what everybody has, in the order of the ranks.
   * @param counts bytes of each
   */
  gather(own: Uint8Array, counts: Int32Array): Promise<Uint8Array>;
}

/** Where parts begin that stand one behind the other. */
export function offsetsOf(counts: Int32Array): Int32Array {
  const offsets = new Int32Array(counts.length);
  for (let i = 1; i < counts.length; i++) offsets[i] = offsets[i - 1]! + counts[i - 1]!;
  return offsets;
}
