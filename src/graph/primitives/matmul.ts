import type { Primitive, TensorType } from '../primitive.js';
import { broadcastShapes, factorsOf, multiplyDims, type Shape, showShape } from '../shape.js';

/** Which operands are transposed, and a factor. */
export interface MatmulAttrs {
  /** Transpose the last two axes of a (of b) first. */
  readonly transA: boolean;
  readonly transB: boolean;
  /** Factor on the product. */
  readonly alpha: number;
}

/** Shape of alpha · op(a) op(b): leading axes broadcast. */
export function matmulShape(a: Shape, b: Shape, { transA, transB }: MatmulAttrs): Shape {
  if (a.length < 2 || b.length < 2) throw new Error(`matmul needs matrices, got ${showShape(a)} and ${showShape(b)}`);
  const [rows, inner] = transA ? [a.at(-1)!, a.at(-2)!] : [a.at(-2)!, a.at(-1)!];
  const [innerB, columns] = transB ? [b.at(-1)!, b.at(-2)!] : [b.at(-2)!, b.at(-1)!];
  if (inner !== innerB) {
    throw new Error(
      `matmul of ${showShape(a)}${transA ? 'ᵀ' : ''} and ${showShape(b)}${transB ? 'ᵀ' : ''} does not fit`,
    );
  }
  return [...broadcastShapes(a.slice(0, -2), b.slice(0, -2)), rows, columns];
}

/** alpha · op(a) op(b), op being the transpose of the last two axes or nothing. */
export const matmul: Primitive<MatmulAttrs> = {
  storage: 'fresh',
  shape: ([a, b], attrs) => [{ dtype: 'float32', shape: matmulShape(a!.shape, b!.shape, attrs) }],
  derivative: ({ inputs, attrs: { transA, transB, alpha }, cotangents }, ops) => {
    const [a, b] = [inputs[0]!, inputs[1]!];
    const dy = cotangents[0]!;
    const da = transA
      ? ops.matmul(b, dy, { transA: transB, transB: true, alpha })
      : ops.matmul(dy, b, { transB: !transB, alpha });
    const db = transB
      ? ops.matmul(dy, a, { transA: true, transB: transA, alpha })
      : ops.matmul(a, dy, { transA: !transA, alpha });
    return [ops.sumTo(da, a.shape), ops.sumTo(db, b.shape)];
  },
  emit: ({ inputs, outputs, attrs: { transA, transB, alpha }, inputTypes, outputTypes }, onnx) => {
    const flags = { transA: { int: transA ? 1 : 0 }, transB: { int: transB ? 1 : 0 }, alpha: { float: alpha } };
    if (inputTypes.every((type) => type.shape.length === 2)) {
      onnx.node('Gemm', inputs, { outputs, attributes: flags });
    } else if (!transA && !transB && alpha === 1) {
      onnx.node('MatMul', inputs, { outputs });
    } else if (!onnx.has('FusedMatMul')) {
      const swapped = (name: string, rank: number) => {
        const perm = Array.from({ length: rank }, (_, axis) => axis);
        perm.push(...perm.splice(-2).reverse());
        return onnx.node('Transpose', [name], { attributes: { perm: { ints: perm } } })[0]!;
      };
      const turned = inputs.map((name, i) => ([transA, transB][i] ? swapped(name, inputTypes[i]!.shape.length) : name));
      const scaled = smallest([...inputTypes, ...outputTypes]);
      const times = (name: string) => onnx.node('Mul', [name, onnx.float(alpha)])[0]!;
      if (alpha === 1) onnx.node('MatMul', turned, { outputs });
      else if (scaled < 2) onnx.node('MatMul', turned.with(scaled, times(turned[scaled]!)), { outputs });
      else onnx.node('Mul', [onnx.node('MatMul', turned)[0]!, onnx.float(alpha)], { outputs });
    } else {
      onnx.node('FusedMatMul', inputs, { outputs, attributes: flags, domain: 'com.microsoft' });
    }
  },
};

/** Index of the first of the smallest tensors, as far as sizes are known: where sizes are symbolic, by how many are. */
function smallest(types: readonly TensorType[]): number {
  const size = ({ shape }: TensorType) => {
    const { coefficient, symbols } = factorsOf(multiplyDims(shape));
    return [symbols.length, coefficient] as const;
  };
  const isLess = (a: TensorType, b: TensorType) => {
    const [[symbols, known], [others, other]] = [size(a), size(b)];
    return symbols === others ? known < other : symbols < others;
  };
  return types.reduce((best, type, i) => (isLess(type, types[best]!) ? i : best), 0);
}
