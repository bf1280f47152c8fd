import type { Primitive } from '../primitive.js';
import { sameShape, showShape } from '../shape.js';

/** Which halves of the last axis turn into which: rotate-half, as transformers' LLaMA has it. */
export interface RotaryAttrs {
  /** Turn the other way: the transpose of the rotation. */
  readonly inverse: boolean;
}

/**
 * Rotary position embedding (arXiv 2104.09864): x [batch, heads, seq, size] whose halves (x₁, x₂) become
 * (x₁ cos − x₂ sin, x₂ cos + x₁ sin); cos and sin are [seq, size/2].
 */
export const rotary: Primitive<RotaryAttrs> = {
  storage: 'fresh',
  shape: ([x, cos, sin]) => {
    const [, , seq, size] = x!.shape;
    const wanted = [seq!, (size as number) / 2];
    if (x!.shape.length !== 4 || !sameShape(cos!.shape, wanted) || !sameShape(sin!.shape, wanted)) {
      throw new Error(`rotary of ${showShape(x!.shape)} with ${showShape(cos!.shape)} and ${showShape(sin!.shape)}`);
    }
    return [{ dtype: 'float32', shape: x!.shape }];
  },
  derivative: ({ inputs: [x, cos, sin], attrs: { inverse }, cotangents: [dy] }, ops) => {
    const half = (x!.shape[3] as number) / 2;
    const halves = (of: typeof x) => [0, half].map((start) => ops.slice(of!, { axis: 3, start, length: half }));
    const [x1, x2] = halves(x);
    const [dy1, dy2] = halves(dy);
    const ofCos = ops.add(ops.mul(dy1!, x1!), ops.mul(dy2!, x2!));
    const ofSin = ops.sub(ops.mul(dy2!, x1!), ops.mul(dy1!, x2!));
    return [
      ops.rotary(dy!, cos!, sin!, { inverse: !inverse }),
      ops.sumTo(ofCos, cos!.shape),
      ops.sumTo(inverse ? ops.neg(ofSin) : ofSin, sin!.shape),
    ];
  },
  emit: ({ inputs: [x, cos, sin], outputs, attrs: { inverse } }, onnx) => {
    const turned = inverse ? onnx.node('Neg', [sin!])[0]! : sin!;
    if (!onnx.has('RotaryEmbedding')) {
      const last = { attributes: { axis: { int: -1 } } };
      const [x1, x2] = onnx.node('Split', [x!], { ...last, count: 2 }) as [string, string];
      const product = (half: string, factor: string) => onnx.node('Mul', [half, factor])[0]!;
      const first = onnx.node('Sub', [product(x1, cos!), product(x2, turned)])[0]!;
      const second = onnx.node('Add', [product(x2, cos!), product(x1, turned)])[0]!;
      onnx.node('Concat', [first, second], { ...last, outputs });
      return;
    }
    onnx.node('RotaryEmbedding', [x!, onnx.int64s([0]), cos!, turned], {
      outputs,
      domain: 'com.microsoft',
      attributes: { interleaved: { int: 0 } },
    });
  },
};
