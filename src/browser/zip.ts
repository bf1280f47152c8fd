import { joinedBytes } from '../bytes.js';

/** CRC-32 of ZIP (IEEE 802.3, reflected, polynomial 0xedb88320). */
const table = Uint32Array.from({ length: 256 }, (_, byte) => {
  let value = byte;
  for (let bit = 0; bit < 8; bit++) value = value & 1 ? (value >>> 1) ^ 0xedb88320 : value >>> 1;
  return value;
});

function crc32(bytes: Uint8Array): number {
  let crc = 0xffffffff;
  for (const byte of bytes) crc = table[(crc ^ byte) & 0xff]! ^ (crc >>> 8);
  return (crc ^ 0xffffffff) >>> 0;
}

/** 1980-01-01, the first day that ZIP knows: the same files give the same bytes. */
const firstDay = 0x21;

/** A ZIP archive of files as they are, not compressed (PKWARE APPNOTE 4.3): weights hardly are. Up to 4 GB. */
export function zipOf(files: ReadonlyMap<string, Uint8Array>): Uint8Array<ArrayBuffer> {
  const parts: Uint8Array[] = [];
  const directory: Uint8Array[] = [];
  let at = 0;
  for (const [name, bytes] of files) {
    const path = new TextEncoder().encode(name);
    const facts = [20, 0x800, 0, 0, firstDay];
    const sizes = [crc32(bytes), bytes.length, bytes.length];
    const local = record(0x04034b50, facts, sizes, [path.length, 0]);
    directory.push(record(0x02014b50, [20, ...facts], sizes, [path.length, 0, 0, 0, 0], [0, at]), path);
    parts.push(local, path, bytes);
    at += local.length + path.length + bytes.length;
  }
  const listed = joinedBytes(directory);
  const end = record(0x06054b50, [0, 0, files.size, files.size], [listed.length, at], [0]);
  return joinedBytes([...parts, listed, end]);
}

/** A signature, uint16s, uint32s, and the two once more, little-endian. */
function record(signature: number, ...groups: readonly (readonly number[])[]): Uint8Array {
  const sizes = groups.map((group, i) => group.length * (i % 2 === 0 ? 2 : 4));
  const bytes = new Uint8Array(4 + sizes.reduce((sum, size) => sum + size, 0));
  const view = new DataView(bytes.buffer);
  view.setUint32(0, signature, true);
  let at = 4;
  for (const [i, group] of groups.entries()) {
    for (const value of group) {
      if (i % 2 === 0) view.setUint16(at, value, true);
      else view.setUint32(at, value, true);
      at += i % 2 === 0 ? 2 : 4;
    }
  }
  return bytes;
}
