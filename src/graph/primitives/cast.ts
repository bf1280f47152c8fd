import type { Primitive } from '../primitive.js';
import type { DType } from '../tensor.js';

/** ONNX TensorProto.DataType numbers. */
export const onnxTypes: Readonly<Record<DType, number>> = {
  float32: 1,
  int64: 7,
  bool: 9,
  float16: 10,
  float64: 11,
  bfloat16: 16,
};

/** x in another element type; only float to float has a derivative. */
export const cast: Primitive<{ readonly to: DType }> = {
  storage: 'fresh',
  shape: ([x], { to }) => [{ dtype: to, shape: x!.shape }],
  derivative: ({ inputs: [x], cotangents: [dy] }, ops) => [
    x!.dtype === 'int64' || x!.dtype === 'bool' ? undefined : ops.cast(dy!, x!.dtype),
  ],
  emit: ({ inputs, outputs, attrs: { to } }, onnx) => {
    onnx.node('Cast', inputs, { outputs, attributes: { to: { int: onnxTypes[to] } } });
  },
};
