import type { NoAttrs, Primitive } from '../primitive.js';
import { multiplyDims, sameShape, showShape } from '../shape.js';

/**
 * The rows of x [batch*seq, …] that are tokens and not padding: [tokens, …].
 * Inputs: x; `rows` int64 [tokens], where each token stands in x; `places` int64 [batch, seq], which token stands there, and
 * the number of tokens where padding is.
 */
export const pack: Primitive<NoAttrs> = {
  storage: 'fresh',
  shape: ([x, rows, places]) => {
    const padded = multiplyDims(places!.shape);
    if (x!.shape[0] !== padded) throw new Error(`pack needs ${padded} rows, got ${showShape(x!.shape)}`);
    return [{ dtype: x!.dtype, shape: [...rows!.shape, ...x!.shape.slice(1)] }];
  },
  derivative: ({ inputs: [, rows, places], cotangents: [dy] }, ops) => [
    ops.unpack(dy!, { rows: rows!, places: places! }),
    undefined,
    undefined,
  ],
  emit: ({ inputs: [x, rows], outputs }, onnx) => {
    onnx.node('Gather', [x!, rows!], { outputs, attributes: { axis: { int: 0 } } });
  },
};

/** The transpose of {@link pack}: rows of y [tokens, …] where they stand in a batch [batch*seq, …], 0 where padding is. */
export const unpack: Primitive<NoAttrs> = {
  storage: 'fresh',
  shape: ([y, rows, places]) => {
    if (!sameShape(y!.shape.slice(0, 1), rows!.shape)) {
      throw new Error(`unpack needs ${showShape(rows!.shape)} rows, got ${showShape(y!.shape)}`);
    }
    return [{ dtype: y!.dtype, shape: [multiplyDims(places!.shape), ...y!.shape.slice(1)] }];
  },
  derivative: ({ inputs: [, rows, places], cotangents: [dy] }, ops) => [
    ops.pack(dy!, { rows: rows!, places: places! }),
    undefined,
    undefined,
  ],
  emit: ({ inputs: [y, , places], outputs, inputTypes, outputTypes }, onnx) => {
    const rank = inputTypes[0]!.shape.length;
    const zeros = Array.from({ length: rank }, () => 0);
    const oneRowMore = onnx.int64s([...zeros, 1, ...zeros.slice(1)]);
    const withZeros = onnx.node('Pad', [y!, oneRowMore])[0]!;
    const rows = onnx.node('Gather', [withZeros, places!], { attributes: { axis: { int: 0 } } })[0]!;
    onnx.node('Reshape', [rows, onnx.sizes(outputTypes[0]!.shape)], { outputs });
  },
};
