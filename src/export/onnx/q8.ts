import { onnxTypes } from '../../graph/primitives/cast.js';
import type { Precision } from './precision.js';
import { type Matrix, quantizedGraph } from './quantized.js';
import { bytesOf, type Rewriting, readByTwo } from './rewriting.js';

/** What stands for 0. Weights are unsigned: signed ones overflow in the 16-bit sums of processors without VNNI. */
const zeroPoint = 128;
const largest = 127;
/** Divides a row of zeros; below it a row is nothing. */
const leastRow = 1e-30;

/** Names of what all products share. */
const shared = { zero: 'q8.zero', unit: 'q8.unit', least: 'q8.least_row' } as const;

/**
 * Quantisation to 8 bits: weights by output channel, activations by token when the graph runs, both symmetric. Plain ONNX
 * operators (QuantizeLinear, MatMulInteger).
 *
 * A scale for each token and not one for the tensor, as DynamicQuantizeLinear has it: the first token of a decoder's text has
 * states a thousand times as large as those of the others (Sun et al., arXiv 2402.17762), which one scale would leave no bits
 * for. And what a text gives depends on nothing else in its batch.
 */
export const q8: Precision = {
  suffix: '_quantized',
  apply(graph, wide) {
    const activations = new Map<string, QuantizedRows>();
    return quantizedGraph(graph, wide, (rewriting, x, matrix, first) => {
      if (activations.size === 0) addShared(rewriting);
      const { values, scales } = activations.get(x) ?? quantizedRows(rewriting, x);
      activations.set(x, { values, scales });
      if (first) addMatrix(rewriting, matrix);
      const { name } = matrix;
      const product = rewriting.node('MatMulInteger', [values, `${name}.q8`, shared.zero, shared.zero]);
      const sums = rewriting.node('Cast', product, { attributes: { to: { int: onnxTypes.float32 } } })[0]!;
      const byChannel = rewriting.node('Mul', [sums, `${name}.q8_scale`])[0]!;
      return rewriting.node('Mul', [byChannel, scales])[0]!;
    });
  },
};

interface QuantizedRows {
  /** x / max|x| of each row, in steps of 1/127: unsigned bytes. */
  readonly values: string;
  /** max|x| of each row. */
  readonly scales: string;
}

function quantizedRows(rewriting: Rewriting, x: string): QuantizedRows {
  const sizes = rewriting.node('Abs', [x]);
  const attributes = { axes: { ints: [-1] }, keepdims: { int: 1 } };
  const most = rewriting.node('ReduceMax', sizes, { attributes })[0]!;
  const scales = rewriting.node('Max', [most, shared.least])[0]!;
  const within = rewriting.node('Div', [x, scales])[0]!;
  return { values: rewriting.node('QuantizeLinear', [within, shared.unit, shared.zero])[0]!, scales };
}

function addShared(rewriting: Rewriting): void {
  const float = (name: string, value: number) =>
    rewriting.initializer({ name, dtype: 'float32', dims: [], data: bytesOf(Float32Array.of(value)) });
  float(shared.unit, 1 / largest);
  float(shared.least, leastRow);
  rewriting.initializer({ name: shared.zero, dtype: 'uint8', dims: [], data: Uint8Array.of(zeroPoint) });
}

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
      // Activations are in steps of 1/127.
      read: async () => bytesOf((await quantized()).scales.map((scale) => scale / largest)),
    },
  });
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
