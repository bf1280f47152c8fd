import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { open, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { DiffoError } from '../errors.js';
import { withOutputFolder, writeFileAtomic } from '../files/atomic.js';
import { ownCacheFolder } from '../files/caches.js';
import { fileError } from '../files/errors.js';
import { ggufTokenizer } from '../tokenize/convert/index.js';
import { type GgufFile, type GgufTensor, readGguf } from './gguf.js';
import { unpermuted } from './ggufHeadRows.js';
import { type GgufModel, ggufModel, ggufTokenizerFields } from './ggufModel.js';
import { huggingFaceName } from './ggufNames.js';
import { dequantize } from './ggufQuants.js';
import { ropeFactorsName } from './ggufTensors.js';
import { readFully } from './safetensors.js';
import { writeSafetensors } from './safetensors-write.js';
import type { ComputedTensor, WritableTensor } from './safetensorsLayout.js';
import { isComplete } from './snapshot.js';
import { transposed } from './transposed.js';
import type { TensorDType } from './types.js';

/** Raise it when the conversion changes, so that folders of older versions are left alone. */
const conversion = 3;

/** Types that stay as they are: ONNX Runtime reads them in place. */
const kept: Readonly<Record<string, TensorDType>> = { F32: 'F32', F16: 'F16', BF16: 'BF16' };

/**
 * The Hugging Face folder of a GGUF file: config.json, model.safetensors (quantised tensors as float32, as transformers
 * loads them), tokenizer.json. It is made once, in diffora's cache, under the SHA-256 of the file; tensors pass through
 * memory one at a time.
 *
 * @throws DiffoError that names the file and what is wrong, or a tensor that has no place in the architecture
 */
export async function ggufFolder(path: string, signal?: AbortSignal): Promise<string> {
  const gguf = await readGguf(path);
  const folder = join(ownCacheFolder(process.env), 'gguf', `${conversion}-${await sha256Of(gguf.file, signal)}`);
  if (await isComplete(folder)) return folder;
  await withOutputFolder(folder, (target) => convertGguf(gguf, target, signal), { existing: 'replace' });
  return folder;
}

/** Writes what {@link ggufFolder} has of a file into an empty folder. */
export async function convertGguf(gguf: GgufFile, target: string, signal: AbortSignal | undefined): Promise<void> {
  const ropeFactors = gguf.tensors.find(({ name }) => name === ropeFactorsName);
  const model = ggufModel(gguf, ropeFactors === undefined ? undefined : await readValues(gguf, ropeFactors));
  const tensors = gguf.tensors
    .filter((tensor) => tensor !== ropeFactors)
    .map((tensor) => converted(gguf, tensor, model));
  tensors.push(...zeroBiases(tensors, model));
  const { tokenizer, config: tokenizerConfig } = tokenizerOf(gguf);
  await writeSafetensors(join(target, 'model.safetensors'), tensors, { format: 'pt' }, signal);
  const write = (name: string, value: unknown) => writeFileAtomic(join(target, name), `${JSON.stringify(value)}\n`);
  await write('tokenizer.json', tokenizer);
  await write('tokenizer_config.json', tokenizerConfig);
  await write('config.json', model.config);
}

function tokenizerOf(gguf: GgufFile) {
  try {
    return ggufTokenizer(ggufTokenizerFields(gguf));
  } catch (error) {
    if (error instanceof DiffoError) throw error;
    const reason = error instanceof Error ? error.message : String(error);
    throw new DiffoError(`${gguf.file} cannot be used: ${reason}.`, { cause: error });
  }
}

function converted(gguf: GgufFile, tensor: GgufTensor, model: GgufModel): WritableTensor {
  const { family, config } = model;
  const name = huggingFaceName(tensor.name, family.names);
  if (name === undefined || !hasPlace(name, model)) {
    throw new DiffoError(`${gguf.file} has a tensor "${tensor.name}", which ${config.model_type} has no place for.`);
  }
  const { shape, offset, length, type } = tensor;
  const heads = family.permutedHeads?.(name, config);
  if (family.isTransposed?.(name) === true) {
    const [rows, columns] = shape as [number, number];
    const compute = async () => transposed(await readValues(gguf, tensor), rows, columns);
    return { name, shape: [columns, rows], compute } satisfies ComputedTensor;
  }
  const dtype = kept[type];
  if (dtype !== undefined && heads === undefined) return { name, dtype, shape, file: gguf.file, offset, length };
  const compute = async () => {
    const values = await readValues(gguf, tensor);
    return heads === undefined ? values : unpermuted(values, shape[0]!, heads);
  };
  return { name, shape, compute } satisfies ComputedTensor;
}

/** True where the architecture has a place for a tensor, by transformers' name. */
function hasPlace(name: string, { family, config, layers }: GgufModel): boolean {
  const { layers: start } = family.names;
  if (name.startsWith(start) && Number.parseInt(name.slice(start.length), 10) >= layers) return false;
  return !name.endsWith('.bias') || family.takesBias(name.slice(0, -'.bias'.length), config);
}

/** LLaMA's biases that the file leaves out where it has others, as llama.cpp allows. */
function zeroBiases(tensors: readonly WritableTensor[], { family, config }: GgufModel): WritableTensor[] {
  if (family.fillsBiases !== true) return [];
  const there = new Set(tensors.map(({ name }) => name));
  return tensors.flatMap(({ name: weight, shape: [rows] }) => {
    const module = weight.replace(/\.weight$/, '');
    const name = `${module}.bias`;
    if (rows === undefined || !family.takesBias(module, config) || there.has(name)) return [];
    return [{ name, shape: [rows], data: new Float32Array(rows) }];
  });
}

async function readValues({ file }: GgufFile, { name, type, offset, length }: GgufTensor): Promise<Float32Array> {
  const handle = await open(file, 'r').catch((error) => {
    throw fileError(error, file, 'read');
  });
  try {
    const bytes = new Uint8Array(length);
    if ((await readFully(handle, bytes, offset)) < length) {
      throw new DiffoError(`${file} ends inside tensor "${name}": it has become shorter. Fetch it again.`);
    }
    return dequantize(bytes, type);
  } finally {
    await handle.close();
  }
}

const hashes = new Map<string, string>();

/** SHA-256 of a file, hex; remembered within the process for as long as the file does not change. */
async function sha256Of(file: string, signal: AbortSignal | undefined): Promise<string> {
  const { size, mtimeMs } = await stat(file);
  const key = `${file} ${size} ${mtimeMs}`;
  let hash = hashes.get(key);
  if (hash === undefined) {
    const sum = createHash('sha256');
    await pipeline(createReadStream(file), sum, { signal }).catch((error) => {
      signal?.throwIfAborted();
      throw fileError(error, file, 'read');
    });
    hash = sum.digest('hex');
    hashes.set(key, hash);
  }
  return hash;
}
