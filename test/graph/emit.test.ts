import { describe, expect, it } from 'vitest';
import { constant, emitGraph, grad, input, ops, type Tensor } from '../../src/graph/index.js';
import { expectClose } from '../fixtures.js';
import { evaluate, floats, int64s } from './evaluate.js';

const counting = (length: number) => Array.from({ length }, (_, i) => i);

describe('symbolic sizes', () => {
  it('reshapes to two symbolic sizes, which no −1 can stand for', async () => {
    const rows = input('rows', 'float32', ['batch*seq', 4]);
    const like = input('like', 'float32', ['batch', 'seq']);
    const heads = ops.transpose(ops.reshape(rows, ['batch', 'seq', 2, 2]), [0, 2, 1, 3]);
    const shifted = ops.add(heads, ops.reshape(like, ['batch', 1, 'seq', 1]));
    for (const [batch, seq] of [
      [2, 3],
      [1, 5],
      [4, 1],
    ] as const) {
      const feeds = {
        rows: floats([batch * seq, 4], counting(batch * seq * 4)),
        like: floats([batch, seq], new Float32Array(batch * seq)),
      };
      const { shifted: got } = await evaluate({ shifted }, feeds);
      expect(got.shape).toEqual([batch, 2, seq, 2]);
      // Element [0, 1, t, 0] is column 2 of row t.
      expect(Number(got.data[seq * 2])).toBe(2);
    }
  });

  it('multiplies a size that no input has up from its factors', async () => {
    const x = input('x', 'float32', ['batch', 'seq', 2, 3]);
    const flat = ops.reshape(x, ['6*batch*seq']);
    const total = ops.mean(flat, { axes: [0], keepDims: false });
    const outputs = { flat, total, size: ops.size('6*batch*seq') };
    const { flat: got, total: mean, size } = await evaluate(outputs, { x: floats([2, 5, 2, 3], counting(60)) });
    expect(got.shape).toEqual([60]);
    expect([mean.data[0], size.data[0]]).toEqual([29.5, 60]);
  });

  it('expands to symbolic sizes, and gives zeros of them where the loss does not depend on a tensor', async () => {
    const [used, unused] = [
      input('used', 'float32', ['batch', 'seq']),
      input('unused', 'float32', ['seq', 'batch', 2]),
    ];
    const loss = ops.sum(used, { axes: [0, 1], keepDims: false });
    const [ones, zeros] = grad(loss, [used, unused]);
    const got = await evaluate({ loss, ones: ones!, zeros: zeros! }, { used: floats([2, 3], counting(6)) });
    expect(got.ones).toEqual(floats([2, 3], [1, 1, 1, 1, 1, 1]));
    expect(got.zeros).toEqual(floats([3, 2, 2], new Float32Array(12)));
  });

  it('says so when no input has a size', () => {
    expect(() => emitGraph({ y: ops.expand(constant(1), ['heads']) })).toThrow(
      'no input of the graph has the size "heads"',
    );
  });
});

describe('what is emitted', () => {
  const x = input('x', 'float32', [2, 3]);
  const [scale, bias] = [constant(Float32Array.of(1, 1, 1), [3]), constant(Float32Array.of(0, 0, 0), [3])];

  it('names an input once, and only inputs that lead to an output', () => {
    const unused = input('unused', 'float32', [2, 3]);
    ops.add(x, unused);
    expect(emitGraph({ y: ops.mul(x, x) }).inputs.map(({ name }) => name)).toEqual(['x']);
  });

  it('refuses two inputs of one name', () => {
    const other = input('x', 'float32', [2, 3]);
    expect(() => emitGraph({ y: ops.add(x, other) })).toThrow('two inputs of the graph are called "x"');
  });

  it('refuses an output with the name of an input', () => {
    expect(() => emitGraph({ x: ops.neg(x) })).toThrow('an input and an output of the graph are both called "x"');
  });

  it('gives the same bytes for the same graph', () => {
    const build = () => {
      const y = ops.gelu(
        ops.add(ops.matmul(input('x', 'float32', ['batch', 3]), input('w', 'float32', [3, 3])), constant(1)),
      );
      return emitGraph({ y }).bytes;
    };
    expect(Buffer.from(build()).equals(Buffer.from(build()))).toBe(true);
  });

  it('leaves out what leads to no output', () => {
    const y = ops.tanh(x);
    ops.exp(y);
    // The node and the Identity that names its output.
    expect(emitGraph({ y }).nodeCount).toBe(2);
  });

  it.each(['y', 'mean', 'inverse'] as const)('computes a layer norm of which only %s is used', async (wanted) => {
    const [y, mean, inverse] = ops.layerNorm(x, scale, bias, 1e-5) as [Tensor, Tensor, Tensor];
    const got = await evaluate({ got: { y, mean, inverse }[wanted] }, { x: floats([2, 3], [1, 2, 3, 0, 0, 6]) });
    // Variances are 2/3 and 8.
    const expected = {
      y: [-Math.sqrt(1.5), 0, Math.sqrt(1.5), -Math.SQRT1_2, -Math.SQRT1_2, Math.SQRT2],
      mean: [2, 2],
      inverse: [1.2247, 0.3536],
    }[wanted];
    for (const [i, value] of expected.entries()) expect(Number(got.got.data[i])).toBeCloseTo(value, 3);
  });

  it('computes an RMS norm of which only the statistic is used', async () => {
    const inverse = ops.rmsNorm(x, scale, 1e-5)[1]!;
    const { got } = await evaluate({ got: inverse }, { x: floats([2, 3], [1, 1, 1, 2, 2, 2]) });
    expect(Array.from(got.data, Number)).toEqual([expect.closeTo(1, 4), expect.closeTo(0.5, 4)]);
  });

  it('may name one tensor twice, and give an input or a constant as an output', async () => {
    const y = ops.neg(x);
    const got = await evaluate({ one: y, two: y, same: x, three: constant(3) }, { x: floats([2, 3], counting(6)) });
    expect(got.one).toEqual(got.two);
    expect(got.same).toEqual(floats([2, 3], counting(6)));
    expect(got.three.data[0]).toBe(3);
  });

  it('ignores the label it is told to, in the loss and in its gradient', async () => {
    const logits = input('logits', 'float32', [2, 3]);
    const rows = ops.crossEntropy(logits, input('labels', 'int64', [2]), 0);
    const [gradient] = grad(ops.sum(rows, { axes: [0], keepDims: false }), [logits]);
    const feeds = { logits: floats([2, 3], [1, 2, 3, 1, 2, 3]), labels: int64s([2], [0, 1]) };
    const got = await evaluate({ rows, gradient: gradient! }, feeds);
    // The second row is log(e + e² + e³) − 2.
    expectClose('rows', got.rows.data, [0, 1.407606], { relative: 0, floor: 1e-5 });
    const expected = [0, 0, 0, 0.0900306, 0.2447285 - 1, 0.665241];
    expectClose('gradient', got.gradient.data, expected, { relative: 0, floor: 1e-5 });
  });
});

describe('shape errors', () => {
  const matrix = (...shape: (number | string)[]) => input('x', 'float32', shape);
  it.each<readonly [string, () => unknown, string]>([
    ['add', () => ops.add(matrix(2, 3), matrix(4)), 'shapes [2, 3] and [4] do not broadcast at axis 1'],
    [
      'a symbol that meets a number',
      () => ops.add(matrix('batch'), matrix(4)),
      'shapes [batch] and [4] do not broadcast',
    ],
    ['matmul', () => ops.matmul(matrix('batch', 3), matrix(4, 3)), 'matmul of [batch, 3] and [4, 3] does not fit'],
    [
      'matmul transposed',
      () => ops.matmul(matrix(3, 4), matrix(4, 5), { transB: true, transA: true }),
      'matmul of [3, 4]ᵀ and [4, 5]ᵀ does not fit',
    ],
    ['matmul of a vector', () => ops.matmul(matrix(3), matrix(3, 4)), 'matmul needs matrices, got [3] and [3, 4]'],
    [
      'reshape',
      () => ops.reshape(matrix('batch', 4), ['batch', 3]),
      'cannot reshape [batch, 4] to [batch, 3]: sizes differ',
    ],
    ['expand', () => ops.expand(matrix(2, 3), [3]), '[2, 3] does not expand to [3]'],
    ['transpose', () => ops.transpose(matrix(2, 3), [0, 0]), '[0,0] is no permutation of the axes of [2, 3]'],
    ['slice', () => ops.slice(matrix(2, 3), { axis: 1, start: 2, length: 2 }), 'slice 2+2 runs over axis 1 of [2, 3]'],
    [
      'concat',
      () => ops.concat([matrix(2, 3), matrix(2, 4)], 0),
      'concat of [2, 3] and [2, 4] along axis 0 does not fit',
    ],
    ['an axis', () => ops.sum(matrix(2, 3), { axes: [2], keepDims: false }), 'axis 2 is outside a tensor of rank 2'],
    ['gather', () => ops.gather(matrix(2, 3), matrix(2)), 'gather needs int64 indices, got float32'],
    ['where', () => ops.where(matrix(2), matrix(2), matrix(2)), 'where needs a bool condition, got float32'],
    [
      'crossEntropy',
      () => ops.crossEntropy(matrix(2, 3), input('y', 'int64', [3])),
      'crossEntropy of [2, 3] with labels [3] does not fit',
    ],
    ['grad', () => grad(matrix(2), []), 'grad needs a scalar loss'],
    ['constant', () => constant(new Float32Array(2), [3]), 'a constant of shape [3] needs 3 values, got 2'],
  ])('%s: is told in one sentence', (_, build, message) => {
    expect(build).toThrow(message);
  });
});
