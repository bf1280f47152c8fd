import { existsSync, readdirSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { wholeDialect } from '../../graph/onnx/dialect.js';
import { compileOnNode } from '../onnxNode.js';
import type { ComputeDevice } from './computeDevice.js';

/** An NVIDIA GPU by CUDA. @param index of the card, as nvidia-smi counts them */
export function cuda(index = 0): ComputeDevice {
  return {
    name: index === 0 ? 'cuda' : `cuda:${index}`,
    precision: 'tf32',
    otherPrecisions: { fp32: withoutTf32 },
    dialect: { ...wholeDialect, fewKernels: true },
    compile: (graph, options) => compileOnNode(graph, { name: 'cuda', deviceId: index }, options),
    lacks: missingProvider,
    cure:
      'It needs Linux on x86-64, an NVIDIA driver (nvidia-smi lists its cards), CUDA 13 and cuDNN 9 on the library path, and the files ' +
      'libonnxruntime_providers_cuda.so and libonnxruntime_providers_shared.so of the Python package onnxruntime-gpu of the same version ' +
      'beside those of onnxruntime-node (docs/devices.md). Without them an NVIDIA card runs as webgpu, too.',
  };
}

/** The libraries that the Node package has no copy of, where they are not beside its own. */
function missingProvider(): string | undefined {
  const bin = join(dirname(createRequire(import.meta.url).resolve('onnxruntime-node/package.json')), 'bin');
  const folders = readdirSync(bin).map((version) => join(bin, version, process.platform, process.arch));
  const missing = ['libonnxruntime_providers_shared.so', 'libonnxruntime_providers_cuda.so'].find((name) =>
    folders.every((folder) => !existsSync(join(folder, name))),
  );
  return missing && `onnxruntime-node has no ${missing}`;
}

/** The provider computes products in TF32, and its Node binding has no option; NVIDIA's libraries read this when they are loaded. */
function withoutTf32(): void {
  process.env.NVIDIA_TF32_OVERRIDE = '0';
}
