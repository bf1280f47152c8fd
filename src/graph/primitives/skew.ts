import type { Emitter, NoAttrs, Primitive } from '../primitive.js';
import { type Dim, multiplyDims, sameShape, showShape } from '../shape.js';

/**
 * Scores by distance turned into scores by position: x [batch, heads, n, 2n] → y [batch, heads, n, n] with
 * y[i, j] = x[i, n − 1 − i + j]. Row after row the wanted stretch begins one place further left, so that a reshape to
 * rows of 2n − 1 puts it straight (Transformer-XL, arXiv 1901.02860, appendix B): two copies instead of a gather.
 */
export const skew: Primitive<NoAttrs> = {
  storage: 'fresh',
  shape: ([x]) => {
    const [batch, heads, n, double] = x!.shape;
    if (x!.shape.length !== 4 || double !== multiplyDims([2, n!])) {
      throw new Error(`skew needs [batch, heads, n, 2n], got ${showShape(x!.shape)}`);
    }
    return [{ dtype: 'float32', shape: [batch!, heads!, n!, n!] }];
  },
  derivative: ({ cotangents: [dy] }, ops) => [ops.unskew(dy!)],
  emit: ({ inputs, outputs, inputTypes }, onnx) => {
    const [batch, heads, n] = inputTypes[0]!.shape as [Dim, Dim, Dim, Dim];
    const one = onnx.int64s([1]);
    const size = onnx.sizes([n]);
    const flat = onnx.node('Reshape', [inputs[0]!, onnx.sizes([batch, heads, multiplyDims([2, n, n])])])[0]!;
    const start = onnx.node('Sub', [size, one])[0]!;
    const end = onnx.node('Sub', [onnx.sizes([multiplyDims([2, n, n])]), one])[0]!;
    const cut = onnx.node('Slice', [flat, start, end, onnx.int64s([2])])[0]!;
    const rows = onnx.node('Reshape', [cut, withRest(onnx, [batch, heads, n])])[0]!;
    onnx.node('Slice', [rows, onnx.int64s([0]), size, onnx.int64s([3])], { outputs });
  },
};

/** The transpose of skew: y [batch, heads, n, n] → x [batch, heads, n, 2n], zeros where nothing was taken from. */
export const unskew: Primitive<NoAttrs> = {
  storage: 'fresh',
  shape: ([y]) => {
    const [batch, heads, n, other] = y!.shape;
    if (y!.shape.length !== 4 || !sameShape([n!], [other!])) {
      throw new Error(`unskew needs [batch, heads, n, n], got ${showShape(y!.shape)}`);
    }
    return [{ dtype: 'float32', shape: [batch!, heads!, n!, multiplyDims([2, n!])] }];
  },
  derivative: ({ cotangents: [dx] }, ops) => [ops.skew(dx!)],
  emit: ({ inputs, outputs, inputTypes, outputTypes }, onnx) => {
    const [batch, heads, n] = inputTypes[0]!.shape as [Dim, Dim, Dim, Dim];
    const missing = onnx.node('Sub', [onnx.sizes([n]), onnx.int64s([1])])[0]!;
    const pads = (parts: readonly string[]) => onnx.node('Concat', parts, { attributes: { axis: { int: 0 } } })[0]!;
    const wide = onnx.node('Pad', [inputs[0]!, pads([onnx.int64s([0, 0, 0, 0, 0, 0, 0]), missing])])[0]!;
    const flat = onnx.node('Reshape', [wide, withRest(onnx, [batch, heads])])[0]!;
    const whole = onnx.node('Pad', [flat, pads([onnx.int64s([0, 0]), missing, onnx.int64s([0, 0, 1])])])[0]!;
    onnx.node('Reshape', [whole, onnx.sizes(outputTypes[0]!.shape)], { outputs });
  },
};

/** Sizes for a Reshape whose last axis takes what is left. */
function withRest(onnx: Emitter, dims: readonly Dim[]): string {
  return onnx.node('Concat', [onnx.sizes(dims), onnx.int64s([-1])], { attributes: { axis: { int: 0 } } })[0]!;
}
