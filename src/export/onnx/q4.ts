import type { Precision } from './precision.js';
import { type Matrix, quantizedGraph } from './quantized.js';
import { bytesOf, type Rewriting, readByTwo } from './rewriting.js';

/** Weights that share a scale; the kernels of every runtime have this size. */
export const blockSize = 32;

/**
 * Weights of 4 bits in blocks of 32 along the inputs, a scale each; activations stay float32. By MatMulNBits of
 * onnxruntime (com.microsoft), which its builds for Node, WebAssembly and WebGPU have; ONNX has no such operator.
 */
export const q4: Precision = {
  suffix: '_q4',
  apply: (graph, wide) =>
    quantizedGraph(graph, wide, (rewriting, x, matrix, first) => {
      const { name, inFeatures, outFeatures } = matrix;
      if (first) addMatrix(rewriting, matrix);
      return rewriting.node('MatMulNBits', [x, `${name}.q4`, `${name}.q4_scale`], {
        domain: 'com.microsoft',
        attributes: {
          K: { int: inFeatures },
          N: { int: outFeatures },
          bits: { int: 4 },
          block_size: { int: blockSize },
        },
      })[0]!;
    }),
};

function addMatrix(rewriting: Rewriting, { name, inFeatures, outFeatures, read }: Matrix): void {
  const quantized = readByTwo(async () => quantizeBlocks(await read(), inFeatures));
  const blocks = Math.ceil(inFeatures / blockSize);
  rewriting.initializer({
    name: `${name}.q4`,
    dtype: 'uint8',
    dims: [outFeatures, blocks, blockSize / 2],
    data: {
      byteLength: (outFeatures * blocks * blockSize) / 2,
      read: async () => (await quantized()).values,
    },
  });
  rewriting.initializer({
    name: `${name}.q4_scale`,
    dtype: 'float32',
    dims: [outFeatures * blocks],
    data: {
      byteLength: 4 * outFeatures * blocks,
      read: async () => bytesOf((await quantized()).scales),
    },
  });
}

/**
 * Rows [out, in] to 4 bits, w ≈ scale (q − 8): the scale is the value of the largest magnitude over −8, as onnxruntime's
 * own quantiser has it. The last block of a row is filled with zeros.
 * @returns values [out, blocks, 16], the lower half of a byte first, and scales [out * blocks]
 */
export function quantizeBlocks(weight: Float32Array, inFeatures: number) {
  const outFeatures = weight.length / inFeatures;
  const blocks = Math.ceil(inFeatures / blockSize);
  const values = new Uint8Array((outFeatures * blocks * blockSize) / 2);
  const scales = new Float32Array(outFeatures * blocks);
  for (let row = 0; row < outFeatures; row++) {
    for (let block = 0; block < blocks; block++) {
      const start = row * inFeatures + block * blockSize;
      const end = Math.min(start + blockSize, (row + 1) * inFeatures);
      const place = row * blocks + block;
      let extreme = 0;
      for (let i = start; i < end; i++) if (Math.abs(weight[i]!) > Math.abs(extreme)) extreme = weight[i]!;
      const scale = Math.fround(extreme / -8);
      scales[place] = scale;
      for (let i = 0; i < blockSize; i++) {
        const value = start + i < end && scale !== 0 ? weight[start + i]! / scale : 0;
        const level = Math.min(15, Math.max(0, Math.round(value) + 8));
        values[(place * blockSize + i) >> 1]! |= i % 2 === 0 ? level : level << 4;
      }
    }
  }
  return { values, scales };
}
