import { wholeDialect } from '../../graph/onnx/dialect.js';
import type { ComputeDevice } from './computeDevice.js';

/** The processor: there on every machine, and what runs where nothing is said. */
export const cpu: ComputeDevice = {
  name: 'cpu',
  dialect: wholeDialect,
  provider: 'cpu',
  cure: 'Install onnxruntime-node again.',
};
