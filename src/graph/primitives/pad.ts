import type { Primitive } from '../primitive.js';
import { type Dim, normalizeAxis } from '../shape.js';

/** Where x lies among the zeros. */
export interface PadAttrs {
  readonly axis: number;
  /** Zeros before x along the axis. */
  readonly start: number;
  /** Size of the result along the axis; may be symbolic. */
  readonly size: Dim;
}

/** x with zeros around it along one axis: what slice takes out, put back. */
export const pad: Primitive<PadAttrs> = {
  storage: 'fresh',
  shape: ([x], { axis, size }) => {
    const at = normalizeAxis(axis, x!.shape.length);
    return [{ dtype: x!.dtype, shape: x!.shape.map((dim, i) => (i === at ? size : dim)) }];
  },
  derivative: ({ inputs: [x], attrs: { axis, start }, cotangents: [dy] }, ops) => {
    const at = normalizeAxis(axis, x!.shape.length);
    return [ops.slice(dy!, { axis: at, start, length: x!.shape[at]! })];
  },
  emit: ({ inputs, outputs, attrs: { axis, start, size }, inputTypes }, onnx) => {
    const shape = inputTypes[0]!.shape;
    const at = normalizeAxis(axis, shape.length);
    const before = shape.map((_, i) => (i === at ? start : 0));
    const length = shape[at]!;
    const after =
      typeof size === 'number' && typeof length === 'number'
        ? onnx.int64s([size - length - start])
        : onnx.node('Sub', [
            onnx.node('Sub', [onnx.sizes([size]), onnx.sizes([length])])[0]!,
            onnx.int64s([start]),
          ])[0]!;
    const zerosBefore = onnx.int64s([...before, ...shape.slice(0, at).map(() => 0)]);
    const pieces = [zerosBefore, after];
    if (at + 1 < shape.length) pieces.push(onnx.int64s(shape.slice(at + 1).map(() => 0)));
    const pads = onnx.node('Concat', pieces, { attributes: { axis: { int: 0 } } })[0]!;
    onnx.node('Pad', [inputs[0]!, pads], { outputs });
  },
};
