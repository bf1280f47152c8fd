import { onnxTypes } from '../../graph/primitives/cast.js';
import type { Precision } from './precision.js';
import { type Matrix, quantizedGraph } from './quantized.js';
import { bytesOf, type Rewriting, readByTwo } from './rewriting.js';

/** What stands for 0. Weights are unsigned: signed ones overflow in the 16-bit sums of processors without VNNI. */
const zeroPoint = 128;
const largest = 127;

/**
 * Dynamic quantisation to 8 bits: weights by output channel, symmetric; activations by tensor when the graph runs. Plain
 * ONNX operators (DynamicQuantizeLinear, MatMulInteger), in the form that runtimes fuse.
 */
export const q8: Precision = {
  suffix: '_quantized',
  apply(graph, wide) {
    const activations = new Map<string, readonly string[]>();
    return quantizedGraph(graph, wide, (rewriting, x, matrix, first) => {
      const [quantized, scale, zero] = activations.get(x) ?? rewriting.node('DynamicQuantizeLinear', [x], { count: 3 });
      activations.set(x, [quantized!, scale!, zero!]);
      if (first) addMatrix(rewriting, matrix);
      const { name } = matrix;
      const product = rewriting.node('MatMulInteger', [quantized!, `${name}.q8`, zero!, `${name}.q8_zero`]);
      const wide = rewriting.node('Cast', product, { attributes: { to: { int: onnxTypes.float32 } } })[0]!;
      const factor = rewriting.node('Mul', [scale!, `${name}.q8_scale`])[0]!;
      return rewriting.node('Mul', [wide, factor])[0]!;
    });
  },
};

function addMatrix(rewriting: Rewriting, { name, inFeatures, outFeatures, read }: Matrix): void {
  const quantized = readByTwo(async () => quantizeChannels(await read(), inFeatures));
  rewriting.initializer({
    name: `${name}.q8`,
    dtype: 'uint8',
    dims: [inFeatures, outFeatures],
    data: { byteLength: inFeatures * outFeatures, read: async () => (await quantized()).values },
  });
  rewriting.initializer({
    name: `${name}.q8_scale`,
    dtype: 'float32',
    dims: [outFeatures],
    data: {
      byteLength: 4 * outFeatures,
      read: async () => bytesOf((await quantized()).scales),
    },
  });
  rewriting.initializer({ name: `${name}.q8_zero`, dtype: 'uint8', dims: [], data: Uint8Array.of(zeroPoint) });
}

/**
 * Rows [out, in] to 8 bits with a scale each, max|w| / 127.
 * @returns values [in, out], as MatMulInteger reads them, and scales [out]
 */
export function quantizeChannels(weight: Float32Array, inFeatures: number) {
  const outFeatures = weight.length / inFeatures;
  const values = new Uint8Array(weight.length);
  const scales = new Float32Array(outFeatures);
  for (let row = 0; row < outFeatures; row++) {
    const channel = weight.subarray(row * inFeatures, (row + 1) * inFeatures);
    let highest = 0;
    for (const value of channel) highest = Math.max(highest, Math.abs(value));
    // A channel of zeros has any scale.
    const scale = Math.fround(highest === 0 ? 1 : highest / largest);
    scales[row] = scale;
    for (let i = 0; i < inFeatures; i++) values[i * outFeatures + row] = Math.round(channel[i]! / scale) + zeroPoint;
  }
  return { values, scales };
}
