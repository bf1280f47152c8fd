import { usualDevice } from '../runtime/devices/registry.js';
import { readTensorBytes } from './safetensors.js';
import { sameTensor } from './sameTensor.js';
import type { Machine } from './types.js';

/** The computer that this process runs on: its files and its processor. */
export const thisComputer: Machine = { device: usualDevice, readBytes: readTensorBytes, isSame: sameTensor };
