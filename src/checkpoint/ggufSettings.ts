import { DiffoError } from '../errors.js';
import type { GgufFile, GgufValue } from './gguf.js';
import { numberOf } from './ggufRope.js';

/** @throws DiffoError for a file that holds no whole model, said as what it is */
export function refuseOthers({ metadata, file }: GgufFile): void {
  const type = metadata.get('general.type') ?? 'model';
  if (type !== 'model') {
    throw new DiffoError(`${file} is no model but a GGUF of the type "${String(type)}". Give the model's own file.`);
  }
  const parts = numberOf(metadata.get('split.count')) ?? 1;
  if (parts > 1) {
    const part = (numberOf(metadata.get('split.no')) ?? 0) + 1;
    throw new DiffoError(
      `${file} is part ${part} of ${parts} of a model. Join the parts (\`llama-gguf-split --merge\`) and give the whole.`,
    );
  }
}

/** Settings that are read of every family, and those that change nothing of what is computed. */
const readSettings = new Set([
  'context_length',
  'embedding_length',
  'block_count',
  'feed_forward_length',
  'vocab_size',
  'attention.head_count',
  'tensor_data_layout',
  'pooling_type',
]);

/** @throws DiffoError for a setting of the architecture that would change the result and that diffora does not have */
export function refuseSettings(
  { metadata, file }: GgufFile,
  architecture: string,
  {
    headSize,
    vocabulary,
    read,
  }: { readonly headSize: number; readonly vocabulary: number; readonly read: readonly string[] },
): void {
  /** The one value that settings beside these may have. */
  const only: Readonly<Record<string, GgufValue>> = {
    vocab_size: vocabulary,
    'attention.value_length': headSize,
    'rope.dimension_count': headSize,
    'attention.causal': true,
    expert_count: 0,
    expert_used_count: 0,
  };
  for (const [key, value] of metadata) {
    if (!key.startsWith(`${architecture}.`)) continue;
    const name = key.slice(architecture.length + 1);
    const wanted = Object.hasOwn(only, name) ? only[name] : undefined;
    const isRead = readSettings.has(name) || read.includes(name);
    if (wanted === undefined ? isRead : (numberOf(value) ?? value) === wanted) continue;
    const said = Array.isArray(value) ? `a list of ${value.length}` : String(value);
    const instead = wanted === undefined ? '' : ` (it can be ${String(wanted)} here)`;
    throw new DiffoError(
      `${file}: the setting "${key}", ${said}, is not supported${instead}. Take the model in safetensors.`,
    );
  }
}
