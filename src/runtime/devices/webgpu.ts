import { operatorsWithout } from '../../graph/onnx/dialect.js';
import { compileOnNode } from '../onnxNode.js';
import type { ComputeDevice } from './computeDevice.js';

/**
 * No kernel (`kernel not found in registries` in ONNX Runtime's log of 1.30), or one that leaves an output as it was: the
 * inverse root mean square of SimplifiedLayerNormalization. Cos and Sin of WGSL may be wrong by 2⁻¹¹, and by more outside of ±π, where
 * most angles of rotary positions are: float64 has no kernel there, so that these small tables are computed on the CPU.
 */
const missing = [
  'FusedMatMul',
  'LogSoftmax',
  'SimplifiedLayerNormalization statistics',
  'SoftmaxCrossEntropyLoss',
  'exact angles',
  'int64',
] as const;

/** Any GPU by WebGPU: Vulkan on Linux, Direct3D 12 on Windows, Metal on macOS. ONNX Runtime takes the one that the system prefers. */
export const webgpu: ComputeDevice = {
  name: 'webgpu',
  precision: 'fp32',
  otherPrecisions: {},
  dialect: { operators: operatorsWithout(missing), fewKernels: true },
  keepsResults: true,
  compile: (graph, options) => compileOnNode(graph, 'webgpu', options),
  cure:
    'On Linux it needs a driver with Vulkan and the loader libvulkan.so.1 (Debian and Ubuntu: apt-get install libvulkan1 mesa-vulkan-drivers; ' +
    'NVIDIA brings its own driver); on Windows and macOS the system has all of it. Where there is no GPU, take --device cpu.',
};
