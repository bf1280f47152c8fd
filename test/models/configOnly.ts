import { thisComputer } from '../../src/checkpoint/thisComputer.js';
import type { Checkpoint } from '../../src/checkpoint/types.js';

/** A checkpoint of a config.json alone, without tensors. */
export function configOnly(config: Checkpoint['config']): Checkpoint {
  return { name: 'm', folder: 'm', config, tensors: new Map(), metadata: {}, notes: [], machine: thisComputer };
}
