import * as z from 'zod';
import type { Checkpoint } from '../checkpoint/types.js';
import { DiffoError } from '../errors.js';
import { firstFault, shownJson } from '../files/faults.js';
import { ops, type Tensor } from '../graph/index.js';
import type { ConfigKeys } from './keys/configKeys.js';

/** Bounds that no model comes near, so that a broken config.json cannot fill the memory. */
export const layerCount = z.int().positive().max(10_000);
/** Sizes of layers, heads and kernels. */
export const width = z.int().positive().max(1_000_000);
/** Rows of embeddings: tokens, positions. */
export const rowCount = z.int().positive().max(100_000_000);

/** Share of what a dropout leaves out. */
export const dropoutRate = z.number().min(0).lt(1);
/** The id that batches are filled with; null, or one that no token has, where a model has none. */
export const tokenId = z.int().min(-1_000_000_000).max(1_000_000_000).nullable();

/**
 * config.json in the form that an architecture expects, under transformers' names and defaults.
 * @param keys what becomes of every key, see {@link ConfigKeys}
 * @throws DiffoError that names the first key whose value would change what the model gives and is not built here
 */
export function readConfig<Config>(
  schema: z.ZodType<Config>,
  keys: ConfigKeys,
  checkpoint: Pick<Checkpoint, 'folder' | 'config'>,
): Config {
  const config = withoutAliases(checkpoint.config, keys.aliases);
  for (const [key, { allows, why }] of Object.entries(keys.refused)) {
    if (config[key] === undefined || allows(config[key], config)) continue;
    throw configError(checkpoint, `${key} ${shownJson(config[key])} is not supported: ${why}.`);
  }
  const parsed = schema.safeParse(config);
  if (parsed.success) return parsed.data;
  throw configError(checkpoint, `${firstFault(parsed.error, schema, config)}.`);
}

/** transformers sets what a file says under another name last, so that it wins. */
function withoutAliases(config: Checkpoint['config'], aliases: ConfigKeys['aliases'] = {}): Checkpoint['config'] {
  const renamed = Object.entries(aliases).flatMap(([alias, key]) => (alias in config ? [[key, config[alias]]] : []));
  return renamed.length === 0 ? config : { ...config, ...Object.fromEntries(renamed) };
}

/** An error about config.json. */
export function configError(checkpoint: Pick<Checkpoint, 'folder'>, fault: string): DiffoError {
  return new DiffoError(`${checkpoint.folder}/config.json: ${fault}`);
}

/** Size of one attention head. @throws DiffoError when the width is no multiple of the number of heads */
export function headSizeOf(checkpoint: Checkpoint, width: readonly [string, number], heads: readonly [string, number]) {
  if (width[1] % heads[1] === 0) return width[1] / heads[1];
  throw configError(checkpoint, `${width.join(' ')} is no multiple of ${heads.join(' ')}.`);
}

/** The id that batches are filled with, which the mask hides: `pad_token_id`, or 0 where that is no row of the embeddings. */
export function fillerId(padTokenId: number | null, vocabSize: number): number {
  return padTokenId !== null && padTokenId >= 0 && padTokenId < vocabSize ? padTokenId : 0;
}

/** Activation functions by transformers' names (transformers/activations.py). */
export const activations = {
  gelu: ops.gelu,
  gelu_new: ops.geluTanh,
  gelu_pytorch_tanh: ops.geluTanh,
  gelu_fast: ops.geluTanh,
  gelu_accurate: ops.geluTanh,
  gelu_python: ops.gelu,
  gelu_python_tanh: ops.geluTanh,
  linear: (x) => x,
  quick_gelu: (x) => ops.mul(x, ops.sigmoid(ops.scale(x, 1.702))),
  relu: ops.relu,
  sigmoid: ops.sigmoid,
  silu: ops.silu,
  swish: ops.silu,
  tanh: ops.tanh,
} satisfies Record<string, (x: Tensor) => Tensor>;

export type Activation = keyof typeof activations;
export const activationNames = Object.keys(activations) as [Activation, ...Activation[]];
