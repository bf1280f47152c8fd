import { type FileHandle, open, realpath } from 'node:fs/promises';
import { DiffoError } from '../errors.js';
import { fileError } from '../files/errors.js';
import { blockOf, ggufTypes, otherTypes } from './ggufQuants.js';
import { readFully } from './safetensors.js';

/** A value of a GGUF's metadata. */
export type GgufValue = number | bigint | boolean | string | readonly GgufValue[];

/** A tensor of a GGUF, still in its file and quantised. */
export interface GgufTensor {
  readonly name: string;
  /** Name of the type, such as `Q4_1`. */
  readonly type: string;
  /** Row-major, as everywhere here: the file has the sizes the other way round. */
  readonly shape: readonly number[];
  /** Byte offset in the file, and length in bytes. */
  readonly offset: number;
  readonly length: number;
}

export interface GgufFile {
  /** Real path. */
  readonly file: string;
  readonly metadata: ReadonlyMap<string, GgufValue>;
  readonly tensors: readonly GgufTensor[];
}

/** Bounds that no model comes near: a file that exceeds them is broken. */
const most = { header: 512 * 1024 * 1024, tensors: 200_000, entries: 100_000, depth: 4, dimensions: 8 };
const firstRead = 1024 * 1024;

/**
 * Reads the description of a GGUF file (https://github.com/ggml-org/ggml/blob/master/docs/gguf.md), versions 2 and 3,
 * little-endian: metadata and where each tensor lies. No tensor is read.
 *
 * @throws DiffoError that names the file and what is wrong
 */
export async function readGguf(path: string): Promise<GgufFile> {
  try {
    const file = await realpath(path);
    const handle = await open(file, 'r');
    try {
      const { size } = await handle.stat();
      return { file, ...(await readDescription(handle, path, size)) };
    } finally {
      await handle.close();
    }
  } catch (error) {
    throw fileError(error, path, 'read');
  }
}

/** Reads more of the file until the description is whole. */
async function readDescription(handle: FileHandle, path: string, size: number) {
  for (let length = firstRead; ; length *= 8) {
    const bytes = new Uint8Array(Math.min(length, size, most.header));
    await readFully(handle, bytes, 0);
    try {
      return parse(new Cursor(bytes), path, size);
    } catch (error) {
      if (error instanceof BadValue) throw damaged(path, error.message);
      if (!(error instanceof EndOfBytes)) throw error;
      if (bytes.length === size) throw damaged(path, 'it ends in the middle of its description');
      if (bytes.length === most.header) throw damaged(path, 'its description is larger than any model needs');
    }
  }
}

function parse(cursor: Cursor, path: string, size: number): Omit<GgufFile, 'file'> {
  if (cursor.ascii(4) !== 'GGUF') {
    throw new DiffoError(`${path} is not a GGUF file: it does not begin with "GGUF". Check that it is the right file.`);
  }
  const version = cursor.uint32();
  if (version !== 2 && version !== 3) {
    const swapped = version > 0xffff;
    const what = swapped ? 'is big-endian' : `has version ${version}`;
    throw new DiffoError(
      `${path} ${what}; GGUF versions 2 and 3, little-endian, can be read. Convert the model again.`,
    );
  }
  const [tensorCount, entryCount] = [cursor.count(), cursor.count()];
  if (tensorCount > most.tensors || entryCount > most.entries)
    throw damaged(path, 'it counts more parts than any model');
  const metadata = new Map<string, GgufValue>();
  for (let i = 0; i < entryCount; i++) {
    const key = cursor.text();
    if (metadata.has(key)) throw damaged(path, `its setting "${key}" is there twice`);
    metadata.set(key, cursor.value(cursor.uint32(), 0));
  }
  const infos = Array.from({ length: tensorCount }, () => {
    const name = cursor.text();
    const dimensions = cursor.uint32();
    if (dimensions > most.dimensions) throw damaged(path, `tensor "${name}" has ${dimensions} dimensions`);
    const shape = Array.from({ length: dimensions }, () => cursor.count()).reverse();
    return { name, shape, type: cursor.uint32(), offset: cursor.count() };
  });
  const alignment = Number(metadata.get('general.alignment') ?? 32);
  if (!Number.isSafeInteger(alignment) || alignment <= 0) throw damaged(path, `its alignment is ${alignment}`);
  const start = Math.ceil(cursor.position / alignment) * alignment;
  const tensors = infos.map((info) => place(info, start, path, size));
  checkPlaces(tensors, path);
  return { metadata, tensors };
}

/** @throws DiffoError for a name that stands twice, and for tensors that share bytes */
function checkPlaces(tensors: readonly GgufTensor[], path: string): void {
  const names = new Set<string>();
  for (const { name } of tensors) {
    if (names.has(name)) throw damaged(path, `tensor "${name}" is there twice`);
    names.add(name);
  }
  const sorted = tensors.filter(({ length }) => length > 0).sort((a, b) => a.offset - b.offset);
  for (const [i, { name, offset }] of sorted.entries()) {
    const before = sorted[i - 1];
    if (before !== undefined && before.offset + before.length > offset) {
      throw damaged(path, `tensor "${name}" overlaps "${before.name}"`);
    }
  }
}

interface TensorInfo {
  readonly name: string;
  readonly shape: readonly number[];
  readonly type: number;
  readonly offset: number;
}

function place({ name, shape, type, offset }: TensorInfo, start: number, path: string, size: number): GgufTensor {
  const known = ggufTypes[type];
  if (known === undefined) {
    const readable = Object.values(ggufTypes).join(', ');
    throw new DiffoError(
      `${path}: tensor "${name}" is of type ${otherTypes[type] ?? type}, which cannot be read; ${readable} can. ` +
        'Take the model in one of these.',
    );
  }
  const { elements, bytes } = blockOf(known);
  const count = shape.reduce((product, one) => product * one, 1);
  const row = shape.at(-1) ?? 1;
  if (!Number.isSafeInteger(count) || row % elements !== 0)
    throw damaged(path, `tensor "${name}" is [${shape}] of ${known}`);
  const length = (count / elements) * bytes;
  if (start + offset + length > size) {
    throw damaged(path, `tensor "${name}" ends at byte ${start + offset + length}, the file at ${size}`);
  }
  return { name, shape, type: known, offset: start + offset, length };
}

class EndOfBytes extends Error {}

/** What is wrong with a value, in words. */
class BadValue extends Error {}

/** Little-endian values one after the other. */
class Cursor {
  position = 0;
  private readonly view: DataView;

  constructor(private readonly bytes: Uint8Array) {
    this.view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  uint32(): number {
    return this.view.getUint32(this.skip(4), true);
  }

  /** An unsigned 64-bit number that counts something, so that it is exact. */
  count(): number {
    const value = this.view.getBigUint64(this.skip(8), true);
    return value > BigInt(Number.MAX_SAFE_INTEGER) ? Number.MAX_SAFE_INTEGER : Number(value);
  }

  ascii(length: number): string {
    return Buffer.from(this.bytes.buffer, this.bytes.byteOffset + this.skip(length), length).toString('latin1');
  }

  text(): string {
    const length = this.count();
    return Buffer.from(this.bytes.buffer, this.bytes.byteOffset + this.skip(length), length).toString('utf8');
  }

  value(type: number, depth: number): GgufValue {
    switch (type) {
      case 0:
        return this.view.getUint8(this.skip(1));
      case 1:
        return this.view.getInt8(this.skip(1));
      case 2:
        return this.view.getUint16(this.skip(2), true);
      case 3:
        return this.view.getInt16(this.skip(2), true);
      case 4:
        return this.uint32();
      case 5:
        return this.view.getInt32(this.skip(4), true);
      case 6:
        return this.view.getFloat32(this.skip(4), true);
      case 7:
        return this.view.getUint8(this.skip(1)) !== 0;
      case 8:
        return this.text();
      case 9: {
        const [itemType, length] = [this.uint32(), this.count()];
        if (depth >= most.depth) throw new BadValue('its metadata nests deeper than any model needs');
        // Every item takes a byte at least: what cannot be there is not made room for.
        if (length > this.bytes.length - this.position) throw new EndOfBytes();
        return Array.from({ length }, () => this.value(itemType, depth + 1));
      }
      case 10:
        return this.view.getBigUint64(this.skip(8), true);
      case 11:
        return this.view.getBigInt64(this.skip(8), true);
      case 12:
        return this.view.getFloat64(this.skip(8), true);
      default:
        throw new BadValue(`its metadata has a value of type ${type}, which does not exist`);
    }
  }

  private skip(count: number): number {
    const start = this.position;
    if (start + count > this.bytes.length) throw new EndOfBytes();
    this.position = start + count;
    return start;
  }
}

function damaged(path: string, fault: string): DiffoError {
  return new DiffoError(`${path} is damaged: ${fault}. Download it again.`);
}
