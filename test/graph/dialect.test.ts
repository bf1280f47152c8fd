import { describe, expect, it } from 'vitest';
import { constant, emitGraph, grad, input, ops, type Tensor } from '../../src/graph/index.js';
import { type Dialect, standardDialect } from '../../src/graph/onnx/dialect.js';
import { webgpu } from '../../src/runtime/devices/webgpu.js';
import { compileGraph, type Value } from '../../src/runtime/session.js';
import { expectClose } from '../fixtures.js';
import { evaluate, floats, int64s } from './evaluate.js';

const waves = (length: number, by: number) => Float32Array.from({ length }, (_, i) => Math.sin(by * (i + 1)));

/** What a dialect writes otherwise, each with its derivative where it has one. */
function outputs(): Record<string, Tensor> {
  const [a, b] = [input('a', 'float32', ['batch', 2, 'seq', 4]), input('b', 'float32', ['batch', 2, 'seq', 4])];
  const x = input('x', 'float32', ['rows', 6]);
  const labels = input('labels', 'int64', ['rows']);
  const classes = input('classes', 'int64', ['rows']);
  const places = input('places', 'int64', ['seq']);
  const scale = constant(waves(6, 0.3), [6]);
  const total = (one: Tensor) => ops.sum(one, { axes: one.shape.map((_, i) => i), keepDims: false });
  const scores = ops.matmul(a, b, { transB: true, alpha: 0.5 });
  const mixed = ops.matmul(ops.softmax(scores), b, { transA: true, alpha: 3 });
  const [normal, inverse] = ops.rmsNorm(x, scale, 1e-6) as [Tensor, Tensor];
  const positions = ops.cast(places, 'float32');
  const losses = [ops.crossEntropy(x, labels), ops.crossEntropy(x, classes, 2)];
  const loss = [total(mixed), total(ops.mul(normal, normal)), ...losses.map(total), total(ops.gelu(x))].reduce(
    (sum, one) => ops.add(sum, one),
  );
  const [da, db, dx] = grad(loss, [a, b, x]) as [Tensor, Tensor, Tensor];
  return {
    ...{ scores, mixed, normal, inverse, da, db, dx },
    ...{ first: losses[0]!, second: losses[1]! },
    bent: ops.gelu(x),
    logs: ops.logSoftmax(ops.scale(x, 40)),
    hits: ops.oneHot(labels, 6),
    later: ops.cast(ops.greater(ops.reshape(places, ['seq', 1]), places), 'float32'),
    far: ops.cos(ops.scale(positions, 1000)),
    further: ops.sin(ops.scale(positions, 1000)),
  };
}

const feeds: Record<string, Value> = {
  a: floats([2, 2, 3, 4], waves(48, 0.9)),
  b: floats([2, 2, 3, 4], waves(48, 1.7)),
  x: floats([4, 6], waves(24, 2.3)),
  labels: int64s([4], [5, 2, -100, 0]),
  classes: int64s([4], [5, 2, 1, 0]),
  places: int64s([3], [0, 7, 4]),
};

describe.each<readonly [name: string, dialect: Dialect]>([
  ['WebGPU', webgpu.dialect],
  ['the ONNX standard', standardDialect],
  ['a runtime that has none of the optional operators', { operators: new Set(), fewKernels: true }],
])('written for %s', (_, dialect) => {
  it('a graph has the numbers that it has on the CPU', async () => {
    const expected = await evaluate(outputs(), feeds);
    const session = await compileGraph(emitGraph(outputs(), dialect), { threads: 1 });
    const found = await session.run(feeds).finally(session.release);
    for (const [name, { data }] of Object.entries(expected)) {
      expect(found[name]!.shape, name).toEqual(expected[name]!.shape);
      expectClose(name, found[name]!.data, data, { relative: 1e-5, floor: 2e-6 });
    }
  });

  it('a graph holds no operator that is not there', () => {
    const text = new TextDecoder('latin1').decode(emitGraph(outputs(), dialect).bytes);
    for (const operator of ['FusedMatMul', 'LogSoftmax', 'SoftmaxCrossEntropyLoss', 'Gelu'] as const) {
      expect(text.includes(operator), operator).toBe(dialect.operators.has(operator));
    }
  });
});
