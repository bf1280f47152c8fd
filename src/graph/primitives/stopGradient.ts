import type { NoAttrs, Primitive } from '../primitive.js';

/** x, taken as a constant by derivatives. */
export const stopGradient: Primitive<NoAttrs> = {
  storage: 'alias',
  shape: ([x]) => [{ dtype: x!.dtype, shape: x!.shape }],
  derivative: () => [undefined],
  emit: ({ inputs, outputs }, onnx) => {
    onnx.node('Identity', inputs, { outputs });
  },
};
