import type { FileHandle } from 'node:fs/promises';
import { readFully } from './safetensors.js';

/** Where an uncompressed entry of an archive lies in its file. */
export interface ZipEntry {
  readonly offset: number;
  readonly length: number;
}

/** What is wrong with an archive, in words. */
export class ZipError extends Error {}

const signatures = {
  local: 0x04034b50,
  central: 0x02014b50,
  end: 0x06054b50,
  end64: 0x06064b50,
  locator64: 0x07064b50,
};
const sizes = { local: 30, central: 46, end: 22, end64: 56, locator64: 20 };
/** A comment of the archive may follow its end record. */
const longestComment = 0xffff;
/** Bounds that no checkpoint comes near: a file that exceeds them is broken. */
const most = { entries: 1_000_000, directory: 256 * 1024 * 1024 };

/**
 * Lists a zip archive whose entries are stored without compression, as PyTorch writes them, ZIP64 included (PKWARE's
 * APPNOTE 6.3, sections 4.3 to 4.5). Entries are to be read in place, so that all that is needed is where they lie.
 *
 * @throws ZipError for an archive that is broken, or has compressed or encrypted entries
 */
export async function listStoredEntries(handle: FileHandle, size: number): Promise<Map<string, ZipEntry>> {
  const directory = await findDirectory(handle, size);
  const bytes = await read(handle, directory.offset, directory.length, size);
  const entries = new Map<string, ZipEntry>();
  let at = 0;
  for (let i = 0; i < directory.count; i++) {
    if (at + sizes.central > bytes.byteLength || bytes.getUint32(at, true) !== signatures.central) {
      throw new ZipError('its directory is broken');
    }
    const [nameLength, extraLength, commentLength] = [28, 30, 32].map((field) => bytes.getUint16(at + field, true));
    const end = at + sizes.central + nameLength! + extraLength! + commentLength!;
    if (end > bytes.byteLength) throw new ZipError('its directory ends in the middle of an entry');
    const name = textOf(bytes, at + sizes.central, nameLength!);
    if ((bytes.getUint16(at + 8, true) & 1) !== 0) throw new ZipError(`its entry ${name} is encrypted`);
    if (bytes.getUint16(at + 10, true) !== 0) {
      throw new ZipError(`its entry ${name} is compressed, which PyTorch never does; unpack it and save it again`);
    }
    const { length, offset } = placeOf(bytes, at, at + sizes.central + nameLength!, extraLength!);
    entries.set(name, { offset: await dataOffset(handle, offset, size), length });
    if (entries.get(name)!.offset + length > size) throw new ZipError(`its entry ${name} is longer than the file`);
    at = end;
  }
  return entries;
}

async function findDirectory(handle: FileHandle, size: number) {
  const length = Math.min(size, sizes.end + longestComment);
  const start = size - length;
  const bytes = await read(handle, start, length, size);
  for (let at = length - sizes.end; at >= 0; at--) {
    if (bytes.getUint32(at, true) !== signatures.end) continue;
    if (at + sizes.end + bytes.getUint16(at + 20, true) !== length) continue;
    const plain = {
      count: bytes.getUint16(at + 10, true),
      length: bytes.getUint32(at + 12, true),
      offset: bytes.getUint32(at + 16, true),
    };
    const is64 = plain.count === 0xffff || plain.length === 0xffffffff || plain.offset === 0xffffffff;
    const directory = is64 ? await findDirectory64(handle, start + at, size) : plain;
    if (directory.count > most.entries || directory.length > most.directory) {
      throw new ZipError('its directory is larger than that of any checkpoint');
    }
    return directory;
  }
  throw new ZipError('it has no directory at its end, so it is cut short or no archive');
}

async function findDirectory64(handle: FileHandle, end: number, size: number) {
  const locator = await read(handle, end - sizes.locator64, sizes.locator64, size);
  if (locator.getUint32(0, true) !== signatures.locator64) throw new ZipError('its ZIP64 directory is not there');
  const record = await read(handle, whole(locator, 8), sizes.end64, size);
  if (record.getUint32(0, true) !== signatures.end64) throw new ZipError('its ZIP64 directory is not there');
  return { count: whole(record, 32), length: whole(record, 40), offset: whole(record, 48) };
}

/** Length and offset of an entry, out of its ZIP64 extra field where they are too large for 32 bits. */
function placeOf(bytes: DataView, at: number, extra: number, extraLength: number) {
  const packed = bytes.getUint32(at + 20, true);
  let length = bytes.getUint32(at + 24, true);
  let offset = bytes.getUint32(at + 42, true);
  for (let field = extra; field + 4 <= extra + extraLength; ) {
    const [id, fieldLength] = [bytes.getUint16(field, true), bytes.getUint16(field + 2, true)];
    if (id === 1) {
      let value = field + 4;
      const next = () => {
        if (value + 8 > field + 4 + fieldLength || value + 8 > extra + extraLength) {
          throw new ZipError('a ZIP64 field of its directory is cut short');
        }
        value += 8;
        return whole(bytes, value - 8);
      };
      if (length === 0xffffffff) length = next();
      if (packed === 0xffffffff) next();
      if (offset === 0xffffffff) offset = next();
    }
    field += 4 + fieldLength;
  }
  return { length, offset };
}

/** The data of an entry follow its local header, whose own name and extra field may have other lengths. */
async function dataOffset(handle: FileHandle, header: number, size: number): Promise<number> {
  const bytes = await read(handle, header, sizes.local, size);
  if (bytes.getUint32(0, true) !== signatures.local) throw new ZipError('its directory points where no entry is');
  return header + sizes.local + bytes.getUint16(26, true) + bytes.getUint16(28, true);
}

async function read(handle: FileHandle, offset: number, length: number, size: number): Promise<DataView> {
  if (offset < 0 || offset + length > size) throw new ZipError('its directory points beyond the end of the file');
  const bytes = new Uint8Array(length);
  if ((await readFully(handle, bytes, offset)) < length) throw new ZipError('it became shorter while it was read');
  return new DataView(bytes.buffer);
}

function whole(bytes: DataView, at: number): number {
  const value = bytes.getBigUint64(at, true);
  if (value > BigInt(Number.MAX_SAFE_INTEGER)) throw new ZipError('a size in it is larger than any file');
  return Number(value);
}

function textOf(bytes: DataView, at: number, length: number): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset + at, length).toString('utf8');
}
