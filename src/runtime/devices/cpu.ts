import { wholeDialect } from '../../graph/onnx/dialect.js';
import { compileOnNode } from '../onnxNode.js';
import type { ComputeDevice } from './computeDevice.js';

/** The processor: there on every machine, and what runs where nothing is said. */
export const cpu: ComputeDevice = {
  name: 'cpu',
  precision: 'fp32',
  otherPrecisions: {},
  dialect: wholeDialect,
  compile: (graph, options) => compileOnNode(graph, 'cpu', options),
  cure: 'Install onnxruntime-node again.',
};
