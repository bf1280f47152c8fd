import type { ResolvedModel } from '../../checkpoint/resolve.js';
import { readSentenceFiles, type SentenceFiles } from '../../checkpoint/sentenceTransformers.js';
import type { Checkpoint } from '../../checkpoint/types.js';
import { type ProgressOptions, silent } from '../../reporter.js';
import type { ComputeDevice, Precision } from '../../runtime/devices/computeDevice.js';
import { type OpenDeviceOptions, openDevice } from '../../runtime/devices/openDevice.js';
import { usualDevice } from '../../runtime/devices/registry.js';
import { loadTokenizer, type Tokenizer } from '../../tokenize/index.js';
import { headsOf } from '../registry.js';
import { findModel } from './findModel.js';
import { openFound } from './openFound.js';
import { withinVocabulary } from './withinVocabulary.js';

/** A checkpoint with its tokenizer, which any number of tasks may give a head. */
export interface LoadedModel {
  /** What was asked for: a hub name, a folder or a GGUF file. */
  readonly name: string;
  readonly checkpoint: Checkpoint;
  readonly tokenizer: Tokenizer;
  /** Where it was found. */
  readonly resolved: ResolvedModel;
  /** What runs its graphs; left out, the CPU. */
  readonly device?: ComputeDevice | undefined;
  /** What its folder says of how texts become vectors. @internal */
  readonly sentence?: SentenceFiles | undefined;
}

/** How a model is loaded. */
export interface LoadModelOptions extends ProgressOptions {
  /** What runs its graphs: `cpu`, `cuda`, `cuda:1`, `webgpu`, or `auto`, the fastest that is there. Default: the CPU. */
  readonly device?: string | undefined;
  /** What products are computed in, one for a device in a process; default `tf32` for CUDA and `fp32` for others. */
  readonly precision?: Precision | undefined;
}

/**
 * Finds and opens a model: in the local cache, on the hub, in a folder or a GGUF file. Weights stay in their files and are
 * mapped while something runs on them, so that a loaded model holds its tokenizer and the list of its tensors alone and
 * there is nothing to close.
 *
 * @param name `org/name[:quantisation][@revision]`, a folder, or a `.gguf` file
 * @throws DiffoError when there is no such model or device, or its architecture is not known
 * @example
 * const model = await loadModel('sentence-transformers/all-MiniLM-L6-v2');
 */
export async function loadModel(name: string, options: LoadModelOptions = {}): Promise<LoadedModel> {
  const { reporter = silent, signal } = options;
  // A device that is not there is to be known before a download.
  const placed =
    options.device === undefined && options.precision === undefined
      ? {}
      : { device: await openDevice(options.device ?? usualDevice.name, options) };
  const resolved = await findModel(name, reporter, signal);
  const checkpoint = await openFound(resolved, name, reporter, signal);
  // What cannot be built is to be known before anything else is read.
  headsOf(checkpoint);
  const tokenizer = await loadTokenizer(checkpoint.folder);
  const rows = checkpoint.config.vocab_size;
  const held = typeof rows === 'number' ? withinVocabulary(tokenizer, rows, name) : tokenizer;
  const sentence = await readSentenceFiles(resolved.folder);
  return { name, checkpoint, tokenizer: held, resolved, sentence, ...placed };
}

/** A loaded model on another device; on its own where none is named. @throws DiffoError where there is no such device */
export async function onDevice(
  loaded: LoadedModel,
  device: string | undefined,
  options: OpenDeviceOptions,
): Promise<LoadedModel> {
  if (device === undefined && options.precision === undefined) return loaded;
  const name = device ?? loaded.device?.name ?? usualDevice.name;
  return { ...loaded, device: await openDevice(name, options) };
}
