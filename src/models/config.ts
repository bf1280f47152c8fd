import * as z from 'zod';
import type { Checkpoint } from '../checkpoint/types.js';
import { DiffoError } from '../errors.js';
import { firstFault } from '../files/faults.js';
import { ops, type Tensor } from '../graph/index.js';

/** Bounds that no model comes near, so that a broken config.json cannot fill the memory. */
export const layerCount = z.int().positive().max(10_000);
/** Sizes of layers, heads and kernels. */
export const width = z.int().positive().max(1_000_000);
/** Rows of embeddings: tokens, positions. */
export const rowCount = z.int().positive().max(100_000_000);

/**
 * config.json in the form that an architecture expects.
 * @throws DiffoError that names the first key that is wrong
 */
export function parseConfig<Config>(schema: z.ZodType<Config>, checkpoint: Checkpoint): Config {
  const parsed = schema.safeParse(checkpoint.config);
  if (parsed.success) return parsed.data;
  throw configError(checkpoint, `${firstFault(parsed.error, schema, checkpoint.config)}.`);
}

/** An error about config.json. */
export function configError(checkpoint: Checkpoint, fault: string): DiffoError {
  return new DiffoError(`${checkpoint.folder}/config.json: ${fault}`);
}

/** Size of one attention head. @throws DiffoError when the width is no multiple of the number of heads */
export function headSizeOf(checkpoint: Checkpoint, names: { readonly width: string; readonly heads: string }): number {
  const [width, heads] = [Number(checkpoint.config[names.width]), Number(checkpoint.config[names.heads])];
  if (width % heads !== 0) {
    throw configError(checkpoint, `${names.width} ${width} is no multiple of ${names.heads} ${heads}.`);
  }
  return width / heads;
}

/** Activation functions by transformers' names (transformers/activations.py). */
export const activations = {
  gelu: ops.gelu,
  gelu_new: ops.geluTanh,
  gelu_pytorch_tanh: ops.geluTanh,
  gelu_fast: ops.geluTanh,
  relu: ops.relu,
  silu: ops.silu,
  swish: ops.silu,
  tanh: ops.tanh,
} satisfies Record<string, (x: Tensor) => Tensor>;

export type Activation = keyof typeof activations;
export const activationNames = Object.keys(activations) as [Activation, ...Activation[]];
