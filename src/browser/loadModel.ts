import { refuseQuantised } from '../checkpoint/quantised.js';
import { type ByteSource, readHeader } from '../checkpoint/safetensorsHeader.js';
import type { Checkpoint, Machine, StoredTensor } from '../checkpoint/types.js';
import { CONFIG_FILE, WEIGHTS_FILE, WEIGHTS_INDEX_FILE, weightMap } from '../checkpoint/weightFiles.js';
import { withoutWrapperPrefixes } from '../checkpoint/wrapperPrefixes.js';
import { DiffoError, usageError } from '../errors.js';
import { isJsonObject, parseJson } from '../files/jsonText.js';
import type { StoredLocation } from '../graph/tensor.js';
import type { LoadedModel } from '../models/loading/loadModel.js';
import { withinVocabulary } from '../models/loading/withinVocabulary.js';
import { headsOf } from '../models/registry.js';
import { loadOnnxWeb } from '../runtime/loadOnnxWeb.js';
import { type OnnxRuntimeWeb, type WebDeviceName, webDevice } from '../runtime/onnxWeb.js';
import { configured } from '../tokenize/configured.js';
import { tokenizerOf } from '../tokenize/tokenizerOf.js';
import type { Tokenizer } from '../tokenize/types.js';
import { chosenFiles, filesAt, type ModelFiles, type NamedFile } from './modelFiles.js';
import { tab } from './tab.js';

/** How a model is loaded into a tab: from a URL or from files. */
export interface LoadModelOptions {
  /**
   * Where its files are: config.json, model.safetensors (or its shards with their index) and tokenizer.json, such as
   * `https://huggingface.co/org/model/resolve/main/`.
   */
  readonly url?: string | undefined;
  /** The same files, as a form or a drop gives them. */
  readonly files?: Iterable<NamedFile> | undefined;
  /** What an adapter says that its base model is called; default: `org/model` of a hub's URL, else its last part. */
  readonly name?: string | undefined;
  /** What runs its graphs. Default `auto`: `webgpu` where the browser has an adapter, else `wasm`. */
  readonly device?: WebDeviceName | 'auto' | undefined;
  /** The package onnxruntime-web, where it is loaded already; default: it is imported. */
  readonly runtime?: OnnxRuntimeWeb | undefined;
  /** Threads inside one operator, in a page that is cross-origin isolated. Default 1. */
  readonly threads?: number | undefined;
  /** Weights that come from a URL are kept in the origin private file system. Default true. */
  readonly cache?: boolean | undefined;
  readonly signal?: AbortSignal | undefined;
  /** Told of bytes that have come from the network so far; what is kept already does not come. */
  readonly onBytes?: ((bytes: number) => void) | undefined;
  /** Told what a person should know. */
  readonly onNote?: ((sentence: string) => void) | undefined;
}

/** A model in a tab: its tokenizer and the list of its tensors. Weights are read while a graph is compiled, and not kept in JavaScript. */
export interface BrowserModel {
  /** What adapters say that their base model is called. */
  readonly name: string;
  readonly device: WebDeviceName;
  readonly tokenizer: Tokenizer;
  /** @internal */
  readonly loaded: LoadedModel;
  /** @internal */
  readonly threads: number;
}

/**
 * Opens a model in a tab: safetensors of any family that diffora can build, with a tokenizer.json.
 * @throws DiffoError where a file is missing or broken, the architecture is not known, or there is no such device;
 *   the signal's reason after an abort
 * @example
 * const model = await loadModel({ url: 'https://huggingface.co/sentence-transformers/all-MiniLM-L6-v2/resolve/main/' });
 */
export async function loadModel(options: LoadModelOptions): Promise<BrowserModel> {
  const { url, files: given, signal, cache = true, onNote = () => {}, threads = 1 } = options;
  if ((url === undefined) === (given === undefined)) throw usageError('loadModel takes a url or files, one of them.');
  let bytes = 0;
  const onBytes = (count: number) => {
    bytes += count;
    options.onBytes?.(bytes);
  };
  const files = url === undefined ? chosenFiles(given!) : filesAt(url, { signal, cache, onNote, onBytes });
  const name = options.name ?? (url === undefined ? 'model' : nameIn(url));
  const device = await deviceFor(options.device ?? 'auto');
  const config = await requiredJson(files, CONFIG_FILE);
  refuseQuantised(config, files.place);
  const { tensors: found, metadata, sources } = await openWeights(files);
  const { tensors, notes } = withoutWrapperPrefixes(found, files.place);
  for (const note of notes) onNote(note);
  const read = (location: StoredLocation) => readBytes(location, sources);
  const machine: Machine = {
    device: webDevice(device, options.runtime ?? (await runtimeOf(device)), read),
    readBytes: read,
    isSame: sameInTab,
  };
  const checkpoint: Checkpoint = { name, folder: files.place, config, tensors, metadata, notes, machine };
  // What cannot be built is to be known before anything else is read.
  headsOf(checkpoint);
  const tokenizer = await openTokenizer(files, config);
  const rows = config.vocab_size;
  const held = typeof rows === 'number' ? withinVocabulary(tokenizer, rows, name) : tokenizer;
  const resolved = { folder: files.place, source: 'folder' as const };
  return { name, device, tokenizer: held, threads, loaded: { name, checkpoint, tokenizer: held, resolved } };
}

/** `org/model` of a URL of the hub's form, else the last part of its path. */
function nameIn(url: string): string {
  const path = url.replace(/[?#].*$/, '');
  const onHub = /^https?:\/\/[^/]+\/([^/]+\/[^/]+)\/resolve\//.exec(path)?.[1];
  return onHub ?? path.split('/').findLast((part) => part !== '') ?? path;
}

async function deviceFor(asked: WebDeviceName | 'auto'): Promise<WebDeviceName> {
  if (asked === 'wasm') return asked;
  if (asked !== 'webgpu' && asked !== 'auto') {
    throw usageError(`"${String(asked)}" is no device of a browser; there are auto, wasm and webgpu.`);
  }
  const adapter = await tab.navigator?.gpu?.requestAdapter().catch(() => undefined);
  if (adapter !== undefined && adapter !== null) return 'webgpu';
  if (asked === 'auto') return 'wasm';
  throw new DiffoError(
    'This browser has no WebGPU, or no adapter for it. Take the device wasm, which every browser has.',
  );
}

async function runtimeOf(device: WebDeviceName): Promise<OnnxRuntimeWeb> {
  try {
    return await loadOnnxWeb(device);
  } catch (error) {
    throw new DiffoError(
      'onnxruntime-web could not be loaded. Install it beside diffora (npm install onnxruntime-web), or give it as "runtime".',
      { cause: error },
    );
  }
}

async function optionalJson(files: ModelFiles, name: string): Promise<Record<string, unknown>> {
  const text = await files.text(name);
  if (text === undefined) return {};
  const value = parseJson(text, (reason) => `${files.place}: ${name} is not valid JSON (${reason}).`);
  if (!isJsonObject(value)) throw new DiffoError(`${files.place}: ${name} must hold a JSON object at its top level.`);
  return value;
}

async function requiredJson(files: ModelFiles, name: string): Promise<Record<string, unknown>> {
  const value = await optionalJson(files, name);
  if (Object.keys(value).length > 0) return value;
  throw new DiffoError(
    `${files.place} has no ${name}. Give the files of a model: ${CONFIG_FILE}, ${WEIGHTS_FILE} and tokenizer.json.`,
  );
}

/** The tensors of a model, and the files that they lie in by name. */
async function openWeights(files: ModelFiles) {
  const one = await files.source(WEIGHTS_FILE);
  const found = one === undefined ? await openShards(files) : [one];
  const tensors = new Map<string, StoredTensor>();
  let metadata: Readonly<Record<string, string>> = {};
  for (const source of found) {
    const header = await readHeader(source);
    metadata = { ...header.metadata, ...metadata };
    for (const [name, tensor] of header.tensors) tensors.set(name, tensor);
  }
  return { tensors, metadata, sources: new Map(found.map((source) => [source.file, source])) };
}

async function openShards(files: ModelFiles): Promise<ByteSource[]> {
  const index = await optionalJson(files, WEIGHTS_INDEX_FILE);
  if (Object.keys(index).length === 0) {
    throw new DiffoError(
      `${files.place} has no ${WEIGHTS_FILE} (nor ${WEIGHTS_INDEX_FILE}). In a tab weights are read as safetensors alone.`,
    );
  }
  const names = new Set(weightMap(index, `${files.place}: ${WEIGHTS_INDEX_FILE}`).values());
  return Promise.all(
    [...names].map(async (name) => {
      const source = await files.source(name);
      if (source === undefined)
        throw new DiffoError(`${files.place} has no ${name}, which ${WEIGHTS_INDEX_FILE} names.`);
      return source;
    }),
  );
}

async function readBytes(
  { name, file, offset, length }: StoredLocation,
  sources: ReadonlyMap<string, ByteSource>,
): Promise<Uint8Array> {
  const bytes = new Uint8Array(length);
  if ((await sources.get(file)!.read(bytes, offset)) === length) return bytes;
  throw new DiffoError(
    `${file} ends inside tensor "${name}": it has become shorter since it was opened. Load it again.`,
  );
}

/** Only decoders' outputs and T5's tables are ever compared, which no kind of task that is learned in a tab has. */
function sameInTab(a: StoredTensor, b: StoredTensor): boolean {
  if (a.file === b.file && a.offset === b.offset) return true;
  throw new DiffoError(
    `A tab cannot compare ${a.name} with ${b.name}: take the model to Node, or one that stores its embeddings once.`,
  );
}

async function openTokenizer(files: ModelFiles, modelConfig: Readonly<Record<string, unknown>>): Promise<Tokenizer> {
  const description = await requiredJson(files, 'tokenizer.json');
  const config = await optionalJson(files, 'tokenizer_config.json');
  const specialTokens = await optionalJson(files, 'special_tokens_map.json');
  const settings = { ...specialTokens, ...config };
  return tokenizerOf({
    path: `${files.place}: tokenizer.json`,
    description: configured(description, settings),
    config,
    specialTokens,
    settings,
    modelConfig,
    files: [],
  });
}
