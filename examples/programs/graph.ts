/**
 * Below the trainer: builds a graph, differentiates it twice, runs it, and fits a curve by Newton's method.
 *
 *     npx tsx examples/programs/graph.ts
 */
import { graph, openSession } from 'diffora';

const { constant, grad, input, ops } = graph;

// mean (exp(a·x) − y)² over a batch of any size.
const x = input('x', 'float32', ['batch']);
const y = input('y', 'float32', ['batch']);
const a = input('a', 'float32', []);
const error = ops.sub(ops.exp(ops.mul(a, x)), y);
const loss = ops.mean(ops.mul(error, error), { axes: [0], keepDims: false });
const [slope] = grad(loss, [a]);
const [curvature] = grad(slope!, [a]);
// ε keeps the step finite where the loss is flat.
const step = ops.div(slope!, ops.add(curvature!, constant(1e-6)));

const session = await openSession({ loss, step }, { threads: 1 });
const points = Float32Array.from({ length: 20 }, (_, i) => i / 10);
const batch = {
  x: { data: points, shape: [20] },
  y: { data: points.map((one) => Math.exp(0.7 * one)), shape: [20] },
};
let rate = 0.5;
for (let i = 0; i < 8; i++) {
  const results = await session.run({ ...batch, a: { data: Float32Array.of(rate), shape: [] } });
  console.log(`step ${i}: a = ${rate.toFixed(4)}, loss ${Number(results.loss!.data[0]).toExponential(1)}`);
  rate -= Number(results.step!.data[0]);
}
await session.release();
console.log(`${graph.emitGraph({ loss, step }).bytes.length} bytes as an ONNX file`);
