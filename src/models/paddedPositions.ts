import { constant, ops, type Tensor } from '../graph/index.js';
import { sizesOf } from './layers.js';
import type { BatchInputs } from './model.js';

/**
 * padding_idx + 1, + 2, … for tokens and padding_idx for padding, also within a text that spells it: int64 [batch, seq]
 * (`create_position_ids_from_input_ids`).
 */
export function positionIds(inputs: BatchInputs, padTokenId: number): Tensor {
  const { seq } = sizesOf(inputs);
  const ids = ops.cast(inputs.inputIds, 'float32');
  const [zero, one, padding] = [constant(0), constant(1), constant(padTokenId)];
  const toNumber = (holds: Tensor) => ops.where(holds, one, zero);
  const isToken = ops.add(toNumber(ops.greater(ids, padding)), toNumber(ops.greater(padding, ids)));
  const places = ops.cast(ops.range(seq), 'float32');
  const isLater = ops.greater(ops.reshape(places, [seq, 1]), ops.reshape(places, [1, seq]));
  const counted = ops.matmul(isToken, ops.where(isLater, zero, one));
  return ops.cast(ops.add(ops.mul(isToken, counted), padding), 'int64');
}
