import { open, realpath } from 'node:fs/promises';
import { DiffoError } from '../errors.js';
import { fileError } from '../files/errors.js';
import { BYTES_PER_ELEMENT, elementCount } from './dtype.js';
import { readFully } from './safetensors.js';
import type { SafetensorsHeader } from './safetensorsHeader.js';
import type { StoredTensor, TensorDType } from './types.js';
import { type PickleDict, PickleError, type PickleTensor, type PickleValue, unpickle } from './unpickle.js';
import { listStoredEntries, type ZipEntry, ZipError } from './zip.js';

/** Larger than the description of any checkpoint; a limit so that a broken file cannot fill the memory. */
const largestPickle = 256 * 1024 * 1024;

const dtypeOf: Readonly<Record<string, TensorDType>> = {
  FloatStorage: 'F32',
  HalfStorage: 'F16',
  BFloat16Storage: 'BF16',
  DoubleStorage: 'F64',
  LongStorage: 'I64',
  IntStorage: 'I32',
  ShortStorage: 'I16',
  CharStorage: 'I8',
  ByteStorage: 'U8',
  BoolStorage: 'BOOL',
};

/** Keys under which trainers put the dictionary of tensors when they save more beside it. */
const wrappers = ['state_dict', 'model_state_dict', 'model'];

/**
 * Reads a PyTorch file (`.bin`, `.pt`, `.pth`: a zip archive since PyTorch 1.6) without running any of it. Tensors stay
 * in the file, which holds them uncompressed. The top level is a dictionary of tensors, or has one under `state_dict`,
 * `model_state_dict` or `model`; values in it that are no tensors are left out.
 *
 * @throws DiffoError that names the file and what is wrong: also for a file that would run code in Python, for the
 *   format before PyTorch 1.6, and for tensors that do not lie in one piece
 */
export async function readTorchFile(path: string): Promise<SafetensorsHeader> {
  try {
    const file = await realpath(path);
    await refuseOldFormats(path);
    const { entries, prefix } = await readArchive(path, file);
    const description = await readEntry(path, file, entries.get(`${prefix}data.pkl`)!, largestPickle);
    const order = entries.get(`${prefix}byteorder`);
    if (order !== undefined && Buffer.from(await readEntry(path, file, order, 16)).toString('latin1') !== 'little') {
      throw new DiffoError(
        `${path} was written on a big-endian machine, which is not supported. Save it again on another.`,
      );
    }
    const tensors = tensorsOf(unpickle(description), path);
    const stored = [...tensors].map(([name, tensor]) => locate(name, tensor, { path, file, entries, prefix }));
    return { tensors: new Map(stored.map((tensor) => [tensor.name, tensor])), metadata: {} };
  } catch (error) {
    if (error instanceof ZipError) {
      throw new DiffoError(`${path} is damaged: ${error.message}. Download it again.`, { cause: error });
    }
    if (error instanceof PickleError) throw new DiffoError(`${path} is refused: ${error.message}.`, { cause: error });
    throw fileError(error, path, 'read');
  }
}

async function refuseOldFormats(path: string): Promise<void> {
  const handle = await open(path, 'r');
  try {
    const start = new Uint8Array(64);
    await readFully(handle, start, 0);
    const text = Buffer.from(start).toString('latin1');
    if (text.startsWith('version https://git-lfs')) {
      throw new DiffoError(`${path} is a Git LFS pointer, not the file itself. Fetch the file with \`git lfs pull\`.`);
    }
    // The old format begins with the pickle of a magic number, 0x1950a86a20f9469cfc6c.
    const isOld = start[0] === 0x80 && text.includes('\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19');
    if (isOld || text.includes('././@PaxHeader') || start[0] === 0x80) {
      throw new DiffoError(
        `${path} is in PyTorch's format from before version 1.6, which is not supported. ` +
          'Convert it in Python: `torch.save(torch.load(path), path)`.',
      );
    }
    if (!text.startsWith('PK')) {
      throw new DiffoError(`${path} is not a PyTorch file: it is no zip archive. Check that it is the right file.`);
    }
  } finally {
    await handle.close();
  }
}

/** Every entry of the archive with its place in the file, and the folder that PyTorch puts them in. */
async function readArchive(path: string, file: string): Promise<{ entries: Map<string, ZipEntry>; prefix: string }> {
  const handle = await open(file, 'r');
  try {
    const entries = await listStoredEntries(handle, (await handle.stat()).size);
    const described = [...entries.keys()].filter((name) => /^[^/]+\/data\.pkl$/.test(name));
    if (described.length !== 1) {
      throw new DiffoError(`${path} is a zip archive, but not one of PyTorch's: it has no data.pkl. Check the file.`);
    }
    return { entries, prefix: described[0]!.slice(0, -'data.pkl'.length) };
  } finally {
    await handle.close();
  }
}

async function readEntry(path: string, file: string, { offset, length }: ZipEntry, limit: number): Promise<Uint8Array> {
  if (length > limit)
    throw new DiffoError(`${path} is damaged: an entry of it has ${length} bytes. Download it again.`);
  const handle = await open(file, 'r');
  try {
    const bytes = new Uint8Array(length);
    if ((await readFully(handle, bytes, offset)) < length)
      throw new DiffoError(`${path} is cut short. Download it again.`);
    return bytes;
  } finally {
    await handle.close();
  }
}

/** The dictionary of tensors, wherever it is. */
function tensorsOf(value: PickleValue, path: string): Map<string, PickleTensor> {
  const isDict = (one: PickleValue | undefined): one is PickleDict =>
    typeof one === 'object' && one !== null && one.kind === 'dict';
  if (!isDict(value))
    throw new DiffoError(`${path} holds no dictionary of tensors at its top level. Save a state_dict.`);
  const tensors = (of: PickleDict) =>
    [...of.entries].flatMap(([name, one]): [string, PickleTensor][] =>
      typeof one === 'object' && one !== null && one.kind === 'tensor' ? [[name, one]] : [],
    );
  const wrapped = wrappers.map((name) => value.entries.get(name)).find(isDict);
  const found = tensors(value).length > 0 || wrapped === undefined ? tensors(value) : tensors(wrapped);
  if (found.length === 0) throw new DiffoError(`${path} holds no tensors. Save a state_dict.`);
  return new Map(found);
}

interface Place {
  readonly path: string;
  readonly file: string;
  readonly entries: ReadonlyMap<string, ZipEntry>;
  readonly prefix: string;
}

function locate(name: string, tensor: PickleTensor, { path, file, entries, prefix }: Place): StoredTensor {
  const { storage, offset, shape, strides } = tensor;
  const damaged = (what: string) => new DiffoError(`${path} is damaged: tensor "${name}" ${what}. Download it again.`);
  const entry = entries.get(`${prefix}data/${storage.key}`);
  if (entry === undefined) throw damaged(`lies in data/${storage.key}, which is not there`);
  const dtype = dtypeOf[storage.type]!;
  const width = BYTES_PER_ELEMENT[dtype];
  const count = elementCount(shape);
  if (!isContiguous(shape, strides)) {
    throw new DiffoError(
      `${path}: tensor "${name}" does not lie in one piece (shape [${shape}], strides [${strides}]). ` +
        'Save it with `.contiguous()`, or as safetensors.',
    );
  }
  const [start, length] = [offset * width, count * width];
  if (!Number.isSafeInteger(start + length) || start + length > entry.length) {
    throw damaged(
      `of shape [${shape}] needs ${start + length} bytes of data/${storage.key}, which has ${entry.length}`,
    );
  }
  return { name, dtype, shape, file, offset: entry.offset + start, length };
}

/** Strides of a row-major layout; those of axes with one entry (or of an empty tensor) do not matter. */
function isContiguous(shape: readonly number[], strides: readonly number[]): boolean {
  if (shape.includes(0)) return true;
  let expected = 1;
  for (let axis = shape.length - 1; axis >= 0; axis--) {
    if (shape[axis] !== 1 && strides[axis] !== expected) return false;
    expected *= shape[axis]!;
  }
  return true;
}
