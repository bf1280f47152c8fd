import type { NoAttrs, Primitive } from '../primitive.js';

/**
 * x, but not before `done` (see the primitive of that name) is there: x expanded to its own sizes + done, a copy, which
 * the runtime takes for another value than x. A reshape would copy nothing, but ONNX Runtime's ReshapeFusion drops one
 * whose result is reshaped again, and the wait with it.
 */
export const after: Primitive<NoAttrs> = {
  storage: 'fresh',
  shape: ([x]) => [{ dtype: x!.dtype, shape: x!.shape }],
  derivative: ({ cotangents: [dy] }) => [dy, undefined],
  emit: ({ inputs: [x, done], outputs, inputTypes }, onnx) => {
    const sizes = onnx.node('Add', [onnx.sizes(inputTypes[0]!.shape), done!])[0]!;
    onnx.node('Expand', [x!, sizes], { outputs });
  },
};
