import { type FileHandle, open, realpath } from 'node:fs/promises';
import { DiffoError } from '../errors.js';
import { fileError } from '../files/errors.js';
import { shownJson } from '../files/faults.js';
import { isJsonObject, parseJson } from '../files/json.js';
import { BYTES_PER_ELEMENT, elementCount, isTensorDType, toFloat32 } from './dtype.js';
import type { StoredTensor } from './types.js';

/** The format's own limit on the header (safetensors library, `MAX_HEADER_SIZE`). */
const MAX_HEADER_BYTES = 100_000_000;
const LENGTH_BYTES = 8;

export interface SafetensorsHeader {
  readonly tensors: ReadonlyMap<string, StoredTensor>;
  /** `__metadata__`, empty when the file has none. */
  readonly metadata: Readonly<Record<string, string>>;
}

/**
 * Reads the header of a safetensors file and checks it against the file: types known, shapes that fit their bytes,
 * data without holes or overlaps, as long as the file. No tensor data is read.
 *
 * @throws DiffoError that names the file, the tensor where there is one, what is wrong and what to do
 */
export async function readSafetensorsHeader(path: string): Promise<SafetensorsHeader> {
  try {
    const file = await realpath(path);
    const handle = await open(file, 'r');
    try {
      const { size } = await handle.stat();
      const text = await readHeaderText(handle, path, size);
      return parseHeader(text, { path, file, size });
    } finally {
      await handle.close();
    }
  } catch (error) {
    throw fileError(error, path, 'read');
  }
}

/**
 * Reads one tensor as float32, whatever floating-point type it is stored in (F32, F16, BF16, F64).
 *
 * @returns its elements in row-major order
 * @throws DiffoError for integer tensors, and when the file has changed or cannot be read
 */
export async function readTensor(tensor: StoredTensor): Promise<Float32Array> {
  return toFloat32(await readTensorBytes(tensor), tensor);
}

/** The tensor's bytes as they are in the file: little-endian, row-major. */
export async function readTensorBytes(tensor: StoredTensor): Promise<Uint8Array> {
  try {
    const handle = await open(tensor.file, 'r');
    try {
      const bytes = new Uint8Array(tensor.length);
      const read = await readFully(handle, bytes, tensor.offset);
      if (read < bytes.byteLength) throw cutWhileReading(tensor);
      return bytes;
    } finally {
      await handle.close();
    }
  } catch (error) {
    throw fileError(error, tensor.file, 'read');
  }
}

export function cutWhileReading(tensor: StoredTensor): DiffoError {
  return new DiffoError(
    `${tensor.file} ends inside tensor "${tensor.name}": it has become shorter since it was opened. Fetch it again.`,
  );
}

/** Fills `bytes` from `position` on; returns fewer bytes only at the end of the file. */
export async function readFully(handle: FileHandle, bytes: Uint8Array, position: number): Promise<number> {
  let done = 0;
  while (done < bytes.byteLength) {
    // One read call is limited to 2 GiB by the system.
    const length = Math.min(bytes.byteLength - done, 1 << 30);
    const { bytesRead } = await handle.read(bytes, done, length, position + done);
    if (bytesRead === 0) break;
    done += bytesRead;
  }
  return done;
}

async function readHeaderText(handle: FileHandle, path: string, size: number): Promise<string> {
  const start = new Uint8Array(Math.min(size, 64));
  await readFully(handle, start, 0);
  if (Buffer.from(start).toString('latin1').startsWith('version https://git-lfs')) {
    throw new DiffoError(`${path} is a Git LFS pointer, not the file itself. Fetch the file with \`git lfs pull\`.`);
  }
  if (size < LENGTH_BYTES) {
    throw new DiffoError(`${path} is not a safetensors file: it has only ${size} bytes. Download it again.`);
  }
  const length = new DataView(start.buffer).getBigUint64(0, true);
  if (length > BigInt(MAX_HEADER_BYTES) || length < 2n) {
    throw new DiffoError(
      `${path} is not a safetensors file: its first 8 bytes give a header of ${length} bytes. Check that it is the right file.`,
    );
  }
  if (Number(length) > size - LENGTH_BYTES) {
    throw new DiffoError(
      `${path} is cut short: it promises a header of ${length} bytes, and only ${size - LENGTH_BYTES} follow. Download it again.`,
    );
  }
  const bytes = new Uint8Array(Number(length));
  if ((await readFully(handle, bytes, LENGTH_BYTES)) < bytes.byteLength) {
    throw new DiffoError(`${path} became shorter while it was read. Download it again.`);
  }
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch (error) {
    throw new DiffoError(`${path}: the header is not UTF-8 text. The file is damaged: download it again.`, {
      cause: error,
    });
  }
}

interface FileFacts {
  readonly path: string;
  readonly file: string;
  readonly size: number;
}

function parseHeader(text: string, facts: FileFacts): SafetensorsHeader {
  const json = parseJson(text, (reason) => damaged(facts.path, `its header is not valid JSON (${reason})`).message);
  if (!isJsonObject(json)) throw damaged(facts.path, 'its header is not a JSON object');
  const dataStart = LENGTH_BYTES + Buffer.byteLength(text, 'utf8');
  const tensors: StoredTensor[] = [];
  let metadata: Record<string, string> = {};
  for (const [name, entry] of Object.entries(json)) {
    if (name === '__metadata__') metadata = parseMetadata(entry, facts.path);
    else tensors.push(parseEntry(name, entry, dataStart, facts));
  }
  checkLayout(tensors, dataStart, facts);
  return { tensors: new Map(tensors.map((tensor) => [tensor.name, tensor])), metadata };
}

/** `null` is none, as in the safetensors library. */
function parseMetadata(value: unknown, path: string): Record<string, string> {
  if (value === null) return {};
  if (!isJsonObject(value) || !Object.values(value).every((entry) => typeof entry === 'string')) {
    throw damaged(path, '"__metadata__" in its header is not a table of texts');
  }
  return value as Record<string, string>;
}

function parseEntry(name: string, entry: unknown, dataStart: number, { path, file }: FileFacts): StoredTensor {
  const where = `tensor "${name}"`;
  if (!isJsonObject(entry)) throw damaged(path, `the entry of ${where} is not an object`);
  const { dtype, shape, data_offsets: offsets } = entry;
  if (!isTensorDType(dtype)) {
    throw new DiffoError(
      `${path}: ${where} has type ${JSON.stringify(dtype)}, which diffora cannot read. ` +
        `It reads ${Object.keys(BYTES_PER_ELEMENT).join(', ')}: use a checkpoint in F32, F16 or BF16.`,
    );
  }
  if (!isSizes(shape)) throw damaged(path, `${where} has no valid shape (${brief(shape)})`);
  if (!isSizes(offsets) || offsets.length !== 2 || offsets[0]! > offsets[1]!) {
    throw damaged(path, `${where} has no valid data_offsets (${brief(offsets)})`);
  }
  const [begin, end] = offsets as [number, number];
  const wanted = elementCount(shape) * BYTES_PER_ELEMENT[dtype];
  if (wanted !== end - begin) {
    throw damaged(path, `${where} of type ${dtype}, shape [${shape}] needs ${wanted} bytes and has ${end - begin}`);
  }
  return { name, dtype, shape, file, offset: dataStart + begin, length: end - begin };
}

/** The format demands that the tensors cover the data from its start to the end of the file, each byte once. */
function checkLayout(tensors: readonly StoredTensor[], dataStart: number, { path, size }: FileFacts): void {
  const end = tensors.reduce((last, tensor) => Math.max(last, tensor.offset + tensor.length), dataStart);
  if (end > size) {
    throw new DiffoError(
      `${path} is cut short: its header promises ${end} bytes, the file has ${size}. Download it again.`,
    );
  }
  let position = dataStart;
  const sorted = [...tensors].sort((a, b) => a.offset - b.offset || a.length - b.length);
  for (const tensor of sorted) {
    if (tensor.offset !== position) {
      const fault = tensor.offset < position ? 'overlaps the one before it' : 'leaves a hole before it';
      throw damaged(path, `tensor "${tensor.name}" ${fault}`);
    }
    position += tensor.length;
  }
  if (position !== size) throw damaged(path, `${size - position} bytes follow the last tensor`);
}

function isSizes(value: unknown): value is number[] {
  return Array.isArray(value) && value.every((size) => Number.isSafeInteger(size) && size >= 0);
}

function brief(value: unknown): string {
  return value === undefined ? 'missing' : shownJson(value);
}

function damaged(path: string, fault: string): DiffoError {
  return new DiffoError(`${path} is damaged: ${fault}. Download it again, or write it again.`);
}
