import type { Ops } from '../ops.js';
import type { NoAttrs, Primitive, Storage } from '../primitive.js';
import { broadcastShapes } from '../shape.js';
import type { Tensor } from '../tensor.js';
import { onnxTypes } from './cast.js';

/**
 * A primitive of one input that ONNX has as one operator, `inPlace` unless something else is said. `derivative` gets x,
 * y = f(x) and dy, and returns dx.
 */
export function unary(
  opType: string,
  derivative: (at: { x: Tensor; y: Tensor; dy: Tensor }, ops: Ops) => Tensor,
  { storage = 'inPlace' }: { storage?: Storage } = {},
): Primitive<NoAttrs> {
  return {
    storage,
    shape: ([x]) => [{ dtype: 'float32', shape: x!.shape }],
    derivative: ({ inputs, outputs, cotangents }, ops) => [
      derivative({ x: inputs[0]!, y: outputs[0]!, dy: cotangents[0]! }, ops),
    ],
    emit: ({ inputs, outputs }, onnx) => {
      onnx.node(opType, inputs, { outputs });
    },
  };
}

/** Of an angle in radians. In float64 where the runtime is not exact in float32: then it runs on the CPU. */
export function ofAngle(
  opType: 'Cos' | 'Sin',
  derivative: (at: { x: Tensor; y: Tensor; dy: Tensor }, ops: Ops) => Tensor,
): Primitive<NoAttrs> {
  const plain = unary(opType, derivative);
  return {
    ...plain,
    emit: (at, onnx) => {
      if (onnx.has('exact angles')) {
        plain.emit(at, onnx);
        return;
      }
      const wide = onnx.node('Cast', at.inputs, { attributes: { to: { int: onnxTypes.float64 } } });
      const found = onnx.node(opType, wide);
      onnx.node('Cast', found, { outputs: at.outputs, attributes: { to: { int: onnxTypes.float32 } } });
    },
  };
}

/** A primitive of two inputs under NumPy broadcasting. `derivative` returns [da, db] before they are summed back. */
export function binary(
  opType: string,
  derivative: (at: { a: Tensor; b: Tensor; y: Tensor; dy: Tensor }, ops: Ops) => readonly [Tensor, Tensor],
): Primitive<NoAttrs> {
  return {
    storage: 'inPlace',
    shape: ([a, b]) => [{ dtype: a!.dtype, shape: broadcastShapes(a!.shape, b!.shape) }],
    derivative: ({ inputs, outputs, cotangents }, ops) => {
      const [a, b] = inputs as [Tensor, Tensor];
      const [da, db] = derivative({ a, b, y: outputs[0]!, dy: cotangents[0]! }, ops);
      return [ops.sumTo(da, a.shape), ops.sumTo(db, b.shape)];
    },
    emit: ({ inputs, outputs }, onnx) => {
      onnx.node(opType, inputs, { outputs });
    },
  };
}
