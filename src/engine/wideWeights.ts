import { tensorValues } from '../checkpoint/tensorValues.js';
import type { Checkpoint, TensorDType } from '../checkpoint/types.js';
import type { Widened } from '../graph/passes/liftWidened.js';
import { type HostTensor, host } from '../runtime/deviceTensor.js';

/** A wide weight lives as long as a program that is fed it. */
type Copies = Map<string, WeakRef<HostTensor<Float32Array>>>;

const copiesOf = new WeakMap<Checkpoint, Copies>();

const fileTypes = { float16: 'F16', bfloat16: 'BF16', float64: 'F64' } as const satisfies Record<
  Widened['dtype'],
  TensorDType
>;

/**
 * Weights of half or double precision as float32, by the names of their graph inputs: one copy for all programs over a checkpoint
 * that are open at a time.
 * @throws DiffoError where the file cannot be read
 */
export async function wideWeights(
  checkpoint: Checkpoint,
  widened: ReadonlyMap<string, Widened>,
): Promise<Record<string, HostTensor<Float32Array>>> {
  const copies: Copies = copiesOf.get(checkpoint) ?? new Map();
  copiesOf.set(checkpoint, copies);
  const weights: Record<string, HostTensor<Float32Array>> = {};
  for (const [name, { location, dtype, shape }] of widened) {
    const known = copies.get(name)?.deref();
    const tensor = { ...location, dtype: fileTypes[dtype], shape };
    const weight = known ?? host.tensor(await tensorValues(checkpoint, tensor), shape);
    if (known === undefined) copies.set(name, new WeakRef(weight));
    weights[name] = weight;
  }
  return weights;
}
