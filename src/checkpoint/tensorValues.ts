import { toFloat32 } from './dtype.js';
import type { Checkpoint, StoredTensor } from './types.js';

/**
 * A tensor of a checkpoint as float32, whatever floating-point type it is stored in (F32, F16, BF16, F64).
 *
 * @returns its elements in row-major order
 * @throws DiffoError for integer tensors, and when it cannot be read
 */
export async function tensorValues(
  { machine }: Pick<Checkpoint, 'machine'>,
  tensor: StoredTensor,
): Promise<Float32Array> {
  return toFloat32(await machine.readBytes(tensor), tensor);
}
