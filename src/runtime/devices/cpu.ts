import { wholeDialect } from '../../graph/onnx/dialect.js';
import type { ComputeDevice } from './computeDevice.js';

/** The processor: there on every machine, and what runs where nothing is said. */
export const cpu: ComputeDevice = {
  name: 'cpu',
  precision: 'fp32',
  otherPrecisions: {},
  dialect: wholeDialect,
  provider: 'cpu',
  cure: 'Install onnxruntime-node again.',
};
