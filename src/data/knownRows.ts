import { createHash } from 'node:crypto';
import type { Example } from './types.js';

/** Of a row's sha256: of a million rows one in a million strange ones is taken for one of them. */
const hashBytes = 5;

/** Rows that are known again by hashes of their texts; whatever their labels and places. */
export class KnownRows {
  constructor(private readonly hashes: ReadonlySet<number>) {}

  and(others: KnownRows | undefined): KnownRows {
    return others === undefined ? this : new KnownRows(new Set([...this.hashes, ...others.hashes]));
  }

  /** How many of the examples are among them. */
  count(examples: readonly Example[]): number {
    return examples.reduce((sum, example) => sum + (this.hashes.has(hashOf(example)) ? 1 : 0), 0);
  }

  /** Base64 of the hashes, ascending. */
  toString(): string {
    const bytes = Buffer.alloc(this.hashes.size * hashBytes);
    for (const [i, hash] of [...this.hashes].sort((a, b) => a - b).entries()) {
      bytes.writeUIntBE(hash, i * hashBytes, hashBytes);
    }
    return bytes.toString('base64');
  }
}

export function knownRows(examples: readonly Example[]): KnownRows {
  return new KnownRows(new Set(examples.map(hashOf)));
}

/** @param text what {@link KnownRows.toString} gave @returns undefined for a text that is none */
export function readKnownRows(text: string): KnownRows | undefined {
  const bytes = Buffer.from(text, 'base64');
  if (bytes.toString('base64') !== text || bytes.length % hashBytes !== 0) return undefined;
  const count = bytes.length / hashBytes;
  return new KnownRows(new Set(Array.from({ length: count }, (_, i) => bytes.readUIntBE(i * hashBytes, hashBytes))));
}

function hashOf({ text, pair }: Example): number {
  const whole = createHash('sha256')
    .update(JSON.stringify([text, pair ?? null]))
    .digest();
  return whole.readUIntBE(0, hashBytes);
}
