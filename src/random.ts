/**
 * Seeded random numbers. A stream is named by a seed and a path of keys ("init", module name, …), so that what one
 * part draws never depends on how much another part has drawn: same seed, same bits.
 */
export interface RandomStream {
  /** Uniform unsigned 32-bit integer. */
  uint32(): number;
  /** Uniform in [0, 1) with 53 random bits. */
  uniform(): number;
  /** Standard normal (Box-Muller). */
  normal(): number;
  /** Uniform integer in [0, bound). */
  integer(bound: number): number;
}

/** Opens the stream of `seed` that is named by `keys`. */
export function randomStream(seed: number, ...keys: readonly (string | number)[]): RandomStream {
  const name = `${seed}/${keys.join('/')}`;
  return sfc32(hash32(name, 0x9e3779b9), hash32(name, 0x243f6a88), hash32(name, 0xb7e15162), hash32(name, 0xdeadbeef));
}

/** A permutation of 0..length-1 (Fisher-Yates). */
export function permutation(length: number, stream: RandomStream): Int32Array {
  const order = Int32Array.from({ length }, (_, i) => i);
  for (let i = length - 1; i > 0; i--) {
    const j = stream.integer(i + 1);
    const swapped = order[i]!;
    order[i] = order[j]!;
    order[j] = swapped;
  }
  return order;
}

/** 32-bit FNV-1a over UTF-16 units, finished with MurmurHash3's mixer. */
export function hash32(text: string, seed: number): number {
  let hash = (0x811c9dc5 ^ seed) >>> 0;
  for (let i = 0; i < text.length; i++) {
    hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193);
  }
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return (hash ^ (hash >>> 16)) >>> 0;
}

/** Chris Doty-Humphrey's Small Fast Counting generator (PractRand), 32-bit; the first 12 outputs are discarded. */
function sfc32(a0: number, b0: number, c0: number, counter0: number): RandomStream {
  let a = a0 | 0;
  let b = b0 | 0;
  let c = c0 | 0;
  let counter = counter0 | 0;
  const uint32 = () => {
    const result = (((a + b) | 0) + counter) | 0;
    counter = (counter + 1) | 0;
    a = b ^ (b >>> 9);
    b = (c + (c << 3)) | 0;
    c = (c << 21) | (c >>> 11);
    c = (c + result) | 0;
    return result >>> 0;
  };
  for (let i = 0; i < 12; i++) uint32();

  const uniform = () => (uint32() * 0x200000 + (uint32() >>> 11)) / 0x20000000000000;
  let spare: number | undefined;
  const normal = () => {
    if (spare !== undefined) {
      const value = spare;
      spare = undefined;
      return value;
    }
    const radius = Math.sqrt(-2 * Math.log(1 - uniform()));
    const angle = 2 * Math.PI * uniform();
    spare = radius * Math.sin(angle);
    return radius * Math.cos(angle);
  };
  return { uint32, uniform, normal, integer: (bound) => Math.floor(uniform() * bound) };
}
