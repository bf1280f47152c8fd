import { compileOnNode } from '../onnxNode.js';
import type { ComputeDevice } from './computeDevice.js';
import { webgpuDialect } from './webgpuDialect.js';

/** Any GPU by WebGPU: Vulkan on Linux, Direct3D 12 on Windows, Metal on macOS. ONNX Runtime takes the one that the system prefers. */
export const webgpu: ComputeDevice = {
  name: 'webgpu',
  precision: 'fp32',
  otherPrecisions: {},
  dialect: webgpuDialect,
  keepsResults: true,
  compile: (graph, options) => compileOnNode(graph, 'webgpu', options),
  cure:
    'On Linux it needs a driver with Vulkan and the loader libvulkan.so.1 (Debian and Ubuntu: apt-get install libvulkan1 mesa-vulkan-drivers; ' +
    'NVIDIA brings its own driver); on Windows and macOS the system has all of it. Where there is no GPU, take --device cpu.',
};
