import { readdir, realpath, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { DiffoError } from '../errors.js';
import { fileError } from '../files/errors.js';
import { readJsonObject } from '../files/json.js';
import { ggufFolder } from './ggufFolder.js';
import { refuseQuantised } from './quantised.js';
import { readSafetensorsHeader } from './safetensors.js';
import type { SafetensorsHeader } from './safetensorsHeader.js';
import { MODULES_FILE, transformerFolder } from './sentenceTransformers.js';
import { readShards } from './shards.js';
import { thisComputer } from './thisComputer.js';
import { readTorchFile } from './torchFile.js';
import type { Checkpoint } from './types.js';
import { CONFIG_FILE, TORCH_FILE, TORCH_INDEX_FILE, WEIGHTS_FILE, WEIGHTS_INDEX_FILE } from './weightFiles.js';
import { withoutWrapperPrefixes } from './wrapperPrefixes.js';

type Reader = (path: string) => Promise<SafetensorsHeader>;

/** The kinds of weights that a folder may hold, the best first: one file, or shards with an index. */
const kinds: readonly { readonly file: string; readonly index: string; readonly read: Reader }[] = [
  { file: WEIGHTS_FILE, index: WEIGHTS_INDEX_FILE, read: readSafetensorsHeader },
  { file: TORCH_FILE, index: TORCH_INDEX_FILE, read: readTorchFile },
];

/**
 * Opens a Hugging Face model folder: config.json with model.safetensors or pytorch_model.bin, either of them also in
 * shards with an index; or a GGUF file, named or alone in its folder, which is converted once. A sentence-transformers
 * folder without a config.json of its own is opened where its transformer lies. Weights stay in their files, which are given by their real paths, since ONNX Runtime takes external data from the real directory only.
 *
 * @param path the folder, or a `.gguf` file
 * @param name what the user asked for, for messages and records; the path by default
 * @param signal stops the conversion of a GGUF file
 * @throws DiffoError when there is no such checkpoint, saying which files were looked for
 */
export async function openCheckpoint(path: string, name: string = path, signal?: AbortSignal): Promise<Checkpoint> {
  if (path.endsWith('.gguf')) return openFolder(await ggufFolder(path, signal), name);
  const real = await realFolder(path);
  const files = new Set(await readdir(real).catch((error) => Promise.reject(fileError(error, path, 'read'))));
  const gguf = onlyGguf(path, files);
  if (gguf !== undefined) return openFolder(await ggufFolder(join(real, gguf), signal), name);
  if (files.has(MODULES_FILE) && !files.has(CONFIG_FILE)) {
    const inner = await transformerFolder(real);
    if (inner !== undefined) {
      const note = `${path} is a sentence-transformers model: its transformer is opened alone, from ${inner}.`;
      const checkpoint = await openCheckpoint(inner, name, signal);
      return { ...checkpoint, notes: [note, ...checkpoint.notes] };
    }
  }
  refuseOthers(path, files);
  return openFolder(real, name, files);
}

async function openFolder(folder: string, name: string, files?: ReadonlySet<string>): Promise<Checkpoint> {
  const present = files ?? new Set(await readdir(folder));
  const config = await readJsonObject(join(folder, CONFIG_FILE));
  refuseQuantised(config, folder);
  const kind = kinds.find(({ file, index }) => present.has(file) || present.has(index))!;
  const read = present.has(kind.file)
    ? { ...(await kind.read(join(folder, kind.file))), notes: [] }
    : await readShards(folder, kind.index, kind.read);
  if (read.tensors.size === 0) throw new DiffoError(`${join(folder, kind.file)} holds no tensors. Download it again.`);
  const { tensors, notes } = withoutWrapperPrefixes(read.tensors, folder);
  return {
    name,
    folder,
    config,
    tensors,
    metadata: read.metadata,
    notes: [...read.notes, ...notes],
    machine: thisComputer,
  };
}

async function realFolder(folder: string): Promise<string> {
  try {
    if ((await stat(folder)).isDirectory()) return await realpath(folder);
  } catch (error) {
    throw fileError(error, folder, 'open the model folder');
  }
  throw new DiffoError(
    `${folder} is a file, not a model folder. Give the folder that holds ${CONFIG_FILE} and ${WEIGHTS_FILE}.`,
  );
}

const hasWeights = (files: ReadonlySet<string>) => kinds.some(({ file, index }) => files.has(file) || files.has(index));

/** The GGUF file of a folder that has no other weights. */
function onlyGguf(folder: string, files: ReadonlySet<string>): string | undefined {
  const found = [...files].filter((file) => file.endsWith('.gguf')).sort();
  if (hasWeights(files) || found.length === 0) return undefined;
  if (found.length === 1) return found[0];
  throw new DiffoError(`${folder} holds several GGUF files: ${found.join(', ')}. Give the path of one of them.`);
}

/** Throws for a folder without config and weights; known other kinds of folder are named. */
function refuseOthers(folder: string, files: ReadonlySet<string>): void {
  const isModel = files.has(CONFIG_FILE) && hasWeights(files);
  if (isModel && files.has('adapter_config.json')) {
    throw new DiffoError(
      `${folder} holds a model and a PEFT adapter (adapter_config.json): transformers would load the adapter's own base model ` +
        'with the adapter. Put the two into folders of their own; the adapter goes with --adapter.',
    );
  }
  if (isModel) return;
  if (files.has('adapter_config.json')) {
    throw new DiffoError(
      `${folder} is a PEFT adapter, not a model. Give its base model here, and the adapter with --adapter.`,
    );
  }
  const foreign = [...files].find((file) => /^(tf_model\.h5|flax_model\.msgpack|rust_model\.ot|.*\.onnx)$/.test(file));
  if (!hasWeights(files) && foreign !== undefined) {
    throw new DiffoError(
      `${folder} has its weights only as ${foreign}, which is not supported. Convert it in Python: ` +
        '`m = AutoModel.from_pretrained(folder, from_tf=…); m.save_pretrained(folder)`.',
    );
  }
  const shards = [...files].filter((file) => /-\d{5}-of-\d{5}\.(safetensors|bin)$/.test(file));
  if (!hasWeights(files) && shards.length > 0) {
    throw new DiffoError(
      `${folder} holds shards (${shards[0]}, …) without their index, ${WEIGHTS_INDEX_FILE} or ${TORCH_INDEX_FILE}. Download it too.`,
    );
  }
  const looked = `${CONFIG_FILE} with ${kinds.map(({ file }) => file).join(' or ')} (or their indexes), or a .gguf file`;
  const missing = files.has(CONFIG_FILE) ? WEIGHTS_FILE : hasWeights(files) ? CONFIG_FILE : 'both';
  throw new DiffoError(`${folder} is not a model folder: it lacks ${missing}. Looked for ${looked}.`);
}
