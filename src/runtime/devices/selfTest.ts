import { constant, grad, input, ops, type Tensor } from '../../graph/index.js';
import { openSession } from '../session.js';
import type { ComputeDevice } from './computeDevice.js';
import { cpu } from './cpu.js';

/** What a device gave for a small training step. */
export interface SelfTest {
  /** Largest difference of loss and gradients from the CPU's, over the largest of each. */
  readonly difference: number;
  /** A product of two 1024 × 1024 matrices, the fastest of a few, in milliseconds. */
  readonly productMs: number;
}

/** More than any provider's float32 or TF32 differs by. */
const tolerated = 1e-2;
const side = 1024;

/**
 * Tries a device: a training step of one layer of attention (norm, products, softmax, GELU, cross-entropy, and their
 * derivatives), compared with that of the CPU, and a product of matrices against the clock.
 * @throws DiffoError where ONNX Runtime finds no such device; Error where its numbers are wrong
 */
export async function selfTest(device: ComputeDevice, threads: number): Promise<SelfTest> {
  const expected = await trainingStep(cpu, threads);
  const found = await trainingStep(device, threads);
  const differences = Object.entries(expected).map(([name, values]) => {
    const scale = Math.max(...values.map(Math.abs));
    return Math.max(...values.map((value, i) => Math.abs(value - found[name]![i]!))) / scale;
  });
  const difference = Math.max(...differences);
  if (!(difference <= tolerated)) {
    throw new Error(`its loss or gradients differ from the CPU's by ${difference.toPrecision(2)} of their size`);
  }
  return { difference, productMs: await productTime(device, threads) };
}

async function trainingStep(device: ComputeDevice, threads: number): Promise<Record<string, number[]>> {
  const [tokens, width, classes] = [8, 16, 4];
  const x = input('x', 'float32', ['tokens', width]);
  const labels = input('labels', 'int64', ['tokens']);
  const weights = ['query', 'key', 'value', 'out'].map((name) =>
    input(name, 'float32', [width, name === 'out' ? classes : width]),
  );
  const [query, key, value, out] = weights as [Tensor, Tensor, Tensor, Tensor];
  const fixed = (value: number) => constant(new Float32Array(width).fill(value), [width]);
  const normal = ops.layerNorm(x, fixed(1), fixed(0), 1e-5)[0]!;
  const heads = (weight: Tensor) => ops.reshape(ops.matmul(normal, weight), [1, 'tokens', width]);
  const scores = ops.matmul(heads(query), heads(key), { transB: true, alpha: 1 / Math.sqrt(width) });
  const mixed = ops.reshape(ops.matmul(ops.softmax(scores), heads(value)), ['tokens', width]);
  const logits = ops.matmul(ops.gelu(ops.add(mixed, x)), out);
  const loss = ops.mean(ops.crossEntropy(logits, labels), { axes: [0], keepDims: false });
  const gradients = grad(loss, weights);
  const named = Object.fromEntries(gradients.map((gradient, i) => [`gradient ${i}`, gradient]));
  const session = await openSession({ loss, ...named }, { threads, device });
  const fed = (length: number, by: number) => Float32Array.from({ length }, (_, i) => Math.sin(by * (i + 1)));
  try {
    const found = await session.run({
      x: { data: fed(tokens * width, 0.7), shape: [tokens, width] },
      labels: { data: BigInt64Array.from({ length: tokens }, (_, i) => BigInt(i % classes)), shape: [tokens] },
      ...Object.fromEntries(
        ['query', 'key', 'value', 'out'].map((name, i) => {
          const shape = [width, name === 'out' ? classes : width];
          return [name, { data: fed(shape[0]! * shape[1]!, 1.3 + i), shape }];
        }),
      ),
    });
    return Object.fromEntries(Object.entries(found).map(([name, { data }]) => [name, Array.from(data, Number)]));
  } finally {
    await session.release();
  }
}

async function productTime(device: ComputeDevice, threads: number): Promise<number> {
  const [a, b] = ['a', 'b'].map((name) => input(name, 'float32', ['rows', side])) as [Tensor, Tensor];
  const product = ops.sum(ops.matmul(a, b, { transB: true }), { axes: [0, 1], keepDims: false });
  const session = await openSession({ product }, { threads, device });
  const matrix = { data: new Float32Array(side * side).fill(1e-3), shape: [side, side] };
  try {
    let best = Number.POSITIVE_INFINITY;
    // The first run compiles; a second is enough for what is slow.
    for (let run = 0; run < 2 || (run < 6 && best < 300); run++) {
      const started = performance.now();
      await session.run({ a: matrix, b: matrix });
      best = Math.min(best, performance.now() - started);
    }
    return best;
  } finally {
    await session.release();
  }
}
