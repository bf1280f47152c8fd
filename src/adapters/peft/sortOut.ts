import type { StoredTensor } from '../../checkpoint/types.js';
import { isSavedBy, type Misfit } from './check.js';
import type { PeftConfig } from './config.js';
import { baseName, KEY_PREFIX, SHARED_PREFIX } from './names.js';

/** The tensors of an adapter's file by what they belong to. */
export interface Sorted {
  /** By module path, then by what follows it. */
  readonly modules: Map<string, Record<string, StoredTensor>>;
  readonly shared: Map<string, StoredTensor>;
  /** By name without PEFT's prefix, as all that follow. */
  readonly saved: Map<string, StoredTensor>;
  readonly biases: Map<string, StoredTensor>;
  readonly embeddings: Map<string, StoredTensor>;
  readonly misfits: Misfit[];
}

/** Says of every tensor what it belongs to, by its name and the configuration, and what is missing or belongs to nothing. */
export function sortOut(tensors: readonly StoredTensor[], config: PeftConfig): Sorted {
  const { fields, type } = config;
  const [ofLinear, ofEmbedding] = [Object.keys(type.tensors(fields)), Object.keys(type.embeddingTensors ?? {})];
  const suffixes = [...ofLinear, ...ofEmbedding];
  const sharedNames = Object.keys(type.shared);
  const names = new Set(tensors.map(({ name }) => name));
  const sorted: Sorted = {
    modules: new Map(),
    shared: new Map(),
    saved: new Map(),
    biases: new Map(),
    embeddings: new Map(),
    misfits: [],
  };
  for (const tensor of tensors) {
    const sharedName = sharedNames.find((name) => tensor.name === SHARED_PREFIX + name);
    if (sharedName !== undefined) {
      sorted.shared.set(sharedName, tensor);
      continue;
    }
    if (!tensor.name.startsWith(KEY_PREFIX)) {
      sorted.misfits.push({ fault: 'left over', what: `${tensor.name} (does not begin with ${KEY_PREFIX})` });
      continue;
    }
    const name = tensor.name.slice(KEY_PREFIX.length);
    const suffix = suffixes.find((one) => name.endsWith(`.${one}`));
    if (isFromWrapper(name, names)) continue;
    if (suffix !== undefined) {
      const module = name.slice(0, -suffix.length - 1);
      sorted.modules.set(module, { ...sorted.modules.get(module), [suffix]: tensor });
    } else if (isTrainedBias(name, config)) sorted.biases.set(baseName(name), tensor);
    else if (isEmbeddingSavedAlong(name, config)) sorted.embeddings.set(baseName(name), tensor);
    else sorted.saved.set(name, tensor);
  }
  for (const [module, found] of sorted.modules) {
    const isEmbedding = ofEmbedding.some((suffix) => found[suffix] !== undefined);
    for (const suffix of isEmbedding ? ofEmbedding : ofLinear) {
      if (found[suffix] === undefined) {
        sorted.misfits.push({ fault: 'missing', what: `${KEY_PREFIX}${module}.${suffix}` });
      }
    }
  }
  for (const name of sharedNames) {
    if (!sorted.shared.has(name)) sorted.misfits.push({ fault: 'missing', what: SHARED_PREFIX + name });
  }
  return sorted;
}

/**
 * True for a tensor of a module that is saved whole, written once more from PEFT's wrapper of it: with `bias: all` and with
 * `save_embedding_layers` it writes what the module holds, and what it held before, beside the module itself.
 */
function isFromWrapper(name: string, names: ReadonlySet<string>): boolean {
  const plain = name.replace(/\.(original_module|modules_to_save)(\.default)?\./, '.');
  return plain !== name && names.has(KEY_PREFIX + plain);
}

/** True for a bias of the base model that was trained, as the configuration has it. */
function isTrainedBias(name: string, { fields: { bias }, modulesToSave }: PeftConfig): boolean {
  const inSaved = modulesToSave.some((entry) => isSavedBy(entry, name));
  return bias !== undefined && bias !== null && bias !== 'none' && name.endsWith('.bias') && !inSaved;
}

/** What transformers calls the embeddings of tokens, and the output over the vocabulary. */
const vocabulary = /(^|\.)(word_embeddings|embed_tokens|wte|lm_head)(\.base_layer)?\.weight$/;

/** True for what `save_embedding_layers` adds: PEFT saves embeddings that are adapted, or were resized. */
function isEmbeddingSavedAlong(name: string, { modulesToSave }: PeftConfig): boolean {
  return vocabulary.test(name) && !modulesToSave.some((entry) => isSavedBy(entry, name));
}
