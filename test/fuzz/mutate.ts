import { randomStream } from '../../src/random.js';

/** Numbers that lengths and offsets of broken files love to be. */
const nasty = [0, 1, 0x7f, 0x80, 0xff, 0x7fff, 0xffff, 0x7fffffff, 0xffffffff, 2 ** 40, 2 ** 53];

/**
 * Broken copies of a file, the same for the same seed: single bits turned, bytes replaced, cut short, a range doubled,
 * zeroed or taken out, and 4 or 8 bytes replaced by numbers that make bad lengths.
 */
export function* mutations(bytes: Uint8Array, seed: number, count: number): Generator<Uint8Array> {
  const random = randomStream(seed, 'mutations', bytes.length);
  // Most of a file's meaning stands at its beginning and at its end.
  const place = () => {
    const near = random.integer(Math.min(bytes.length, 512));
    const kind = random.integer(3);
    return kind === 0 ? random.integer(bytes.length) : kind === 1 ? near : bytes.length - 1 - near;
  };
  for (let i = 0; i < count; i++) {
    const copy = Uint8Array.from(bytes);
    const at = place();
    switch (random.integer(7)) {
      case 0:
        for (let flips = 1 + random.integer(4); flips > 0; flips--) copy[place()]! ^= 1 << random.integer(8);
        yield copy;
        break;
      case 1:
        copy[at] = random.integer(256);
        yield copy;
        break;
      case 2:
        yield copy.subarray(0, at);
        break;
      case 3: {
        const range = bytes.subarray(at, at + 1 + random.integer(64));
        yield Buffer.concat([bytes.subarray(0, at), range, range, bytes.subarray(at + range.length)]);
        break;
      }
      case 4:
        yield copy.fill(0, at, at + 1 + random.integer(64));
        break;
      case 5:
        yield Buffer.concat([bytes.subarray(0, at), bytes.subarray(at + 1 + random.integer(16))]);
        break;
      default: {
        const view = new DataView(copy.buffer);
        const value = nasty[random.integer(nasty.length)]!;
        if (at + 8 <= copy.length && random.integer(2) === 0) view.setBigUint64(at, BigInt(value), true);
        else if (at + 4 <= copy.length) view.setUint32(at, Math.min(value, 0xffffffff), true);
        yield copy;
      }
    }
  }
}
