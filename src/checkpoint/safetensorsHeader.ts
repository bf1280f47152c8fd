import { DiffoError } from '../errors.js';
import { shownJson } from '../files/faults.js';
import { isJsonObject, parseJson } from '../files/jsonText.js';
import { BYTES_PER_ELEMENT, elementCount, isTensorDType } from './dtype.js';
import type { StoredTensor } from './types.js';

/** The format's own limit on the header (safetensors library, `MAX_HEADER_SIZE`). */
const MAX_HEADER_BYTES = 100_000_000;
const LENGTH_BYTES = 8;

export interface SafetensorsHeader {
  readonly tensors: ReadonlyMap<string, StoredTensor>;
  /** `__metadata__`, empty when the file has none. */
  readonly metadata: Readonly<Record<string, string>>;
}

/** Bytes that can be read from anywhere: a file, a URL, what a browser was given. */
export interface ByteSource {
  /** What it is called in messages. */
  readonly path: string;
  /** What tensors in it say that they lie in: the real path of a file. */
  readonly file: string;
  /** In bytes. */
  readonly size: number;
  /** Fills `bytes` from `position` on. @returns how many were read: fewer at the end alone */
  read(bytes: Uint8Array, position: number): Promise<number>;
}

/**
 * Reads the header of a safetensors file and checks it against the file: types known, shapes that fit their bytes,
 * data without holes or overlaps, as long as the file. No tensor data is read.
 *
 * @throws DiffoError that names the file, the tensor where there is one, what is wrong and what to do
 */
export async function readHeader(source: ByteSource): Promise<SafetensorsHeader> {
  return parseHeader(await readHeaderText(source), source);
}

async function readHeaderText({ path, size, read }: ByteSource): Promise<string> {
  const start = new Uint8Array(Math.min(size, 64));
  await read(start, 0);
  if (String.fromCharCode(...start).startsWith('version https://git-lfs')) {
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
  if ((await read(bytes, LENGTH_BYTES)) < bytes.byteLength) {
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

function parseHeader(text: string, facts: ByteSource): SafetensorsHeader {
  const json = parseJson(text, (reason) => damaged(facts.path, `its header is not valid JSON (${reason})`).message);
  if (!isJsonObject(json)) throw damaged(facts.path, 'its header is not a JSON object');
  const dataStart = LENGTH_BYTES + new TextEncoder().encode(text).byteLength;
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

function parseEntry(name: string, entry: unknown, dataStart: number, { path, file }: ByteSource): StoredTensor {
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
function checkLayout(tensors: readonly StoredTensor[], dataStart: number, { path, size }: ByteSource): void {
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
