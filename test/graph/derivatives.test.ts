import { describe, expect, it } from 'vitest';
import { constant, grad, input, ops, type Tensor } from '../../src/graph/index.js';
import { apply } from '../../src/graph/ops.js';
import { primitives } from '../../src/graph/primitives/index.js';
import { nodesInOrder } from '../../src/graph/tensor.js';
import { randomStream } from '../../src/random.js';
import { openSession, type Value } from '../../src/runtime/session.js';
import { floats, int64s } from './evaluate.js';

/** Inputs with symbolic sizes are fed with batch = 2 and seq = 3. */
interface Case {
  readonly build: (inputs: readonly Tensor[]) => Tensor;
  /** Differentiable inputs: symbolic shape; values are drawn from [low, high). */
  readonly wrt: readonly (readonly (number | string)[])[];
  readonly range?: readonly [number, number];
  /** Relative to max(1, |expected|); default 4e-3. */
  readonly tolerance?: number;
  /** int64 inputs, appended to the differentiable ones. */
  readonly integers?: readonly { shape: readonly (number | string)[]; values: readonly number[] }[];
}

const sizes: Readonly<Record<string, number>> = { batch: 2, seq: 3, tokens: 4, 'batch*seq': 6, '2*seq': 6 };
const real = (shape: readonly (number | string)[]) => shape.map((dim) => (typeof dim === 'number' ? dim : sizes[dim]!));

/** Two sequences of three and of one token: rows of the tokens, and the token of each position. */
const padding = [
  { shape: ['tokens'], values: [0, 1, 2, 3] },
  { shape: ['batch', 'seq'], values: [0, 1, 2, 3, 4, 4] },
];

const cases: Readonly<Record<string, Case>> = {
  add: { build: ([a, b]) => ops.add(a!, b!), wrt: [['batch', 'seq', 4], [4]] },
  after: { build: ([x]) => ops.after(ops.mul(x!, x!), ops.done([x!])), wrt: [['batch', 4]] },
  boundary: { build: ([x]) => ops.tanh(ops.boundary(ops.tanh(x!), { index: 0, of: 'value' })), wrt: [['batch', 4]] },
  done: { build: ([x]) => ops.add(ops.mul(x!, x!), ops.cast(ops.done([x!, x!]), 'float32')), wrt: [['batch', 4]] },
  sub: {
    build: ([a, b]) => ops.sub(a!, b!),
    wrt: [
      ['batch', 'seq', 4],
      ['seq', 1],
    ],
  },
  mul: {
    build: ([a, b]) => ops.mul(a!, b!),
    wrt: [
      ['batch', 'seq', 4],
      ['batch', 1, 4],
    ],
  },
  div: { build: ([a, b]) => ops.div(a!, b!), wrt: [['batch', 4], []], range: [0.5, 2] },
  neg: { build: ([x]) => ops.neg(x!), wrt: [[5]] },
  exp: { build: ([x]) => ops.exp(x!), wrt: [[5]] },
  log: { build: ([x]) => ops.log(x!), wrt: [[5]], range: [0.5, 2] },
  cos: { build: ([x]) => ops.cos(x!), wrt: [['batch', 3]] },
  sin: { build: ([x]) => ops.sin(x!), wrt: [['batch', 3]] },
  sqrt: { build: ([x]) => ops.sqrt(x!), wrt: [[5]], range: [0.5, 2] },
  tanh: { build: ([x]) => ops.tanh(x!), wrt: [[5]] },
  sigmoid: { build: ([x]) => ops.sigmoid(x!), wrt: [[5]] },
  erf: { build: ([x]) => ops.erf(x!), wrt: [[5]] },
  relu: {
    build: ([x]) => ops.relu(ops.mul(x!, constant(Float32Array.of(1, -1, 1), [3]))),
    wrt: [[3]],
    range: [0.5, 2],
  },
  gelu: { build: ([x]) => ops.gelu(x!), wrt: [[12]], range: [-3, 3] },
  silu: { build: ([x]) => ops.silu(x!), wrt: [[12]], range: [-3, 3] },
  greater: {
    build: ([x]) => ops.mul(x!, ops.cast(ops.greater(x!, constant(0)), 'float32')),
    wrt: [[6]],
    range: [0.5, 2],
  },
  where: {
    build: ([a, b]) => ops.where(ops.greater(constant(Float32Array.of(1, -1, 1), [3]), constant(0)), a!, b!),
    wrt: [['batch', 3], [1]],
  },
  // Half precision rounds at 1e-3, which a difference over 2e-2 shows as a few percent.
  cast: {
    build: ([x]) => ops.mul(ops.cast(ops.cast(x!, 'float16'), 'float32'), x!),
    wrt: [[4]],
    range: [0.5, 1],
    tolerance: 0.1,
  },
  softmax: { build: ([x]) => ops.softmax(x!), wrt: [['batch', 5]] },
  logSoftmax: { build: ([x]) => ops.logSoftmax(x!), wrt: [['batch', 5]] },
  sum: { build: ([x]) => ops.sum(x!, { axes: [0, -1], keepDims: false }), wrt: [['batch', 'seq', 4]] },
  expand: {
    build: ([x]) => ops.expand(x!, ['batch', 'seq', 4]),
    wrt: [
      ['seq', 1],
      ['batch', 'seq', 4],
    ],
  },
  reshape: {
    build: ([x]) => ops.reshape(x!, ['batch', 'seq', 2, 2]),
    wrt: [
      ['batch*seq', 4],
      ['batch', 'seq', 1],
    ],
  },
  transpose: { build: ([x]) => ops.transpose(x!, [2, 0, 1]), wrt: [['batch', 'seq', 4]] },
  slice: { build: ([x]) => ops.slice(x!, { axis: 0, start: 0, length: 'seq' }), wrt: [[7, 2], ['seq']] },
  pack: {
    build: ([x, rows, places]) => ops.pack(x!, { rows: rows!, places: places! }),
    wrt: [['batch*seq', 2]],
    integers: padding,
  },
  unpack: {
    build: ([y, rows, places]) => ops.unpack(y!, { rows: rows!, places: places! }),
    wrt: [['tokens', 2]],
    integers: padding,
  },
  pad: { build: ([x]) => ops.pad(x!, { axis: 1, start: 1, size: 'seq' }), wrt: [['batch', 2, 2], ['seq']] },
  concat: {
    build: ([a, b]) => ops.concat([a!, b!], 1),
    wrt: [
      ['batch', 2],
      ['batch', 3],
    ],
  },
  range: {
    build: ([x]) => ops.mul(x!, ops.reshape(ops.cast(ops.range('seq'), 'float32'), ['seq', 1])),
    wrt: [['batch', 'seq', 2]],
  },
  size: { build: ([x]) => ops.mean(x!, { axes: [0, 1], keepDims: true }), wrt: [['batch', 'seq', 2]] },
  gather: {
    build: ([table, indices]) => ops.gather(table!, indices!),
    wrt: [[4, 3]],
    integers: [{ shape: ['batch', 'seq'], values: [0, 3, 3, 1, 0, 3] }],
  },
  scatterAdd: {
    build: ([updates, indices]) => ops.scatterAdd(indices!, updates!, 4),
    wrt: [['batch', 'seq', 2]],
    integers: [{ shape: ['batch', 'seq'], values: [0, 3, 3, 1, 0, 3] }],
  },
  oneHot: {
    build: ([x, labels]) => ops.mul(x!, ops.oneHot(labels!, 3)),
    wrt: [['batch', 3]],
    integers: [{ shape: ['batch'], values: [2, -100] }],
  },
  crossEntropy: {
    build: ([logits, labels]) => ops.crossEntropy(logits!, labels!),
    wrt: [['seq', 4]],
    integers: [{ shape: ['seq'], values: [2, -100, 0] }],
  },
  matmul: {
    build: ([a, b]) => ops.matmul(a!, b!, { transA: true, transB: true, alpha: 0.7 }),
    wrt: [
      ['batch', 1, 3, 4],
      [2, 5, 3],
    ],
  },
  gemm: {
    build: ([a, b, c]) => ops.gemm(a!, b!, c!, { transA: false, transB: true, alpha: 0.7 }),
    wrt: [['batch', 3], [5, 3], [5]],
  },
  reduceMean: {
    build: ([x]) => apply('reduceMean', [x!], { axes: [-1], keepDims: true })[0]!,
    wrt: [['batch', 'seq', 6]],
  },
  skipLayerNorm: {
    build: ([x, skip, scale, bias]) => {
      const [y, sum] = apply('skipLayerNorm', [x!, skip!, scale!, bias!], { epsilon: 1e-5 });
      return ops.mul(y!, sum!);
    },
    wrt: [['batch', 6], ['batch', 6], [6], [6]],
  },
  layerNorm: {
    build: ([x, scale, bias]) => {
      const [y, mean, inverse] = ops.layerNorm(x!, scale!, bias!, 1e-5);
      return ops.mul(ops.add(y!, mean!), inverse!);
    },
    wrt: [['batch', 'seq', 6], [6], [6]],
  },
  rmsNorm: {
    build: ([x, scale]) => {
      const [y, inverse] = ops.rmsNorm(x!, scale!, 1e-5);
      return ops.mul(y!, inverse!);
    },
    wrt: [['batch', 'seq', 6], [6]],
  },
  rotary: {
    build: ([x, cos, sin]) => ops.rotary(x!, cos!, sin!),
    wrt: [
      ['batch', 2, 'seq', 4],
      ['seq', 2],
      ['seq', 2],
    ],
  },
  shift: {
    build: ([x, y]) => ops.add(ops.shift(x!, { axis: 1, by: 2 }), ops.shift(y!, { axis: 1, by: -1 })),
    wrt: [
      ['batch', 'seq', 2],
      ['batch', 'seq', 2],
    ],
  },
  skew: {
    build: ([x, seq]) => ops.mul(ops.skew(x!), ops.reshape(seq!, ['seq', 1])),
    wrt: [['batch', 2, 'seq', '2*seq'], ['seq']],
  },
  unskew: {
    build: ([x, seq]) => ops.mul(ops.unskew(x!), ops.reshape(seq!, ['seq', 1])),
    wrt: [['batch', 2, 'seq', 'seq'], ['seq']],
  },
  // Of what a constant leads to: what a variable leads to has another derivative on purpose (see below).
  stopGradient: {
    build: ([x]) => ops.mul(x!, ops.stopGradient(ops.exp(constant(Float32Array.of(0.5, -1), [2])))),
    wrt: [['batch', 2]],
  },
  window: {
    build: ([x, offsets]) => {
      const pool = constant(
        Float32Array.from({ length: 20 }, (_, i) => (i % 3) - 1),
        [20],
      );
      return ops.mul(x!, ops.window(pool, offsets!, 1, ['batch', 'seq']));
    },
    wrt: [['batch', 'seq']],
    integers: [{ shape: [2], values: [3, 9] }],
  },
};

describe('derivative rules against central differences', () => {
  it('covers every primitive of the registry', () => {
    expect(Object.keys(cases).sort()).toEqual(Object.keys(primitives).sort());
  });

  it('takes what stopGradient holds for a constant', async () => {
    const x = input('x', 'float32', [2]);
    const loss = ops.sum(ops.mul(x, ops.stopGradient(ops.mul(x, x))), { axes: [0], keepDims: false });
    const session = await openSession({ slope: grad(loss, [x])[0]! }, { threads: 1 });
    const { slope } = await session.run({ x: floats([2], [3, -2]) });
    // d(x · c)/dx = c with c = x², and not 3 x².
    expect(slope!.data).toEqual(Float32Array.of(9, 4));
    await session.release();
  });

  it.each(Object.entries(cases))('%s: first and second derivatives', async (name, one) => {
    const stream = randomStream(1, name);
    const [low, high] = one.range ?? [-1.5, 1.5];
    const draw = (shape: readonly (number | string)[]): Value => {
      const numbers = real(shape);
      const length = numbers.reduce((product, dim) => product * dim, 1);
      return floats(
        numbers,
        Array.from({ length }, () => low + (high - low) * stream.uniform()),
      );
    };
    const variables = one.wrt.map((shape, i) => input(`x${i}`, 'float32', shape));
    const integers = (one.integers ?? []).map(({ shape }, i) => input(`i${i}`, 'int64', shape));
    const carrier = input('carrier', 'float32', ['batch', 'seq']);
    const built = one.build([...variables, ...integers]);
    expect(nodesInOrder([built]).some((node) => node.primitive === name)).toBe(true);

    // A weighted sum of squares makes the loss curve even where the primitive is linear.
    const weights = input('weights', 'float32', built.shape);
    const every = (x: Tensor) => ops.sum(x, { axes: x.shape.map((_, axis) => axis), keepDims: false });
    const loss = every(ops.mul(ops.mul(built, built), weights));
    const first = grad(loss, variables);
    const directions = variables.map((tensor, i) => input(`d${i}`, 'float32', tensor.shape));
    const slope = first.map((gradient, i) => every(ops.mul(gradient, directions[i]!))).reduce((a, b) => ops.add(a, b));
    const second = grad(slope, variables);

    const anchor = every(ops.mul(carrier, constant(0)));
    const session = await openSession(
      { loss: ops.add(loss, anchor), slope, ...named('first', first), ...named('second', second) },
      { threads: 1 },
    );
    const feeds: Record<string, Value> = { weights: draw(built.shape), carrier: draw(['batch', 'seq']) };
    for (const [i, { shape }] of variables.entries()) {
      feeds[`x${i}`] = draw(shape);
      feeds[`d${i}`] = draw(shape);
    }
    for (const [i, { shape, values }] of (one.integers ?? []).entries()) feeds[`i${i}`] = int64s(real(shape), values);
    const at = await session.run(used(feeds, session.inputNames));

    for (const [i] of variables.entries()) {
      const x = feeds[`x${i}`]!;
      for (let k = 0; k < x.data.length; k++) {
        const step = 2e-2;
        const shifted = async (delta: number) => {
          const data = (x.data as Float32Array).slice();
          data[k]! += delta;
          return session.run(used({ ...feeds, [`x${i}`]: { data, shape: x.shape } }, session.inputNames));
        };
        const [plus, minus] = [await shifted(step), await shifted(-step)];
        const [plus2, minus2] = [await shifted(2 * step), await shifted(-2 * step)];
        // Fourth-order central difference.
        const difference = (of: string) =>
          (8 * (value(plus, of) - value(minus, of)) - (value(plus2, of) - value(minus2, of))) / (12 * step);
        expectClose(at[`first${i}`]!.data[k] as number, difference('loss'), one.tolerance);
        expectClose(at[`second${i}`]!.data[k] as number, difference('slope'), one.tolerance);
      }
    }
    await session.release();
  });
});

const value = (values: Record<string, Value>, name: string) => values[name]!.data[0] as number;
const named = (prefix: string, tensors: readonly Tensor[]) =>
  Object.fromEntries(tensors.map((tensor, i) => [`${prefix}${i}`, tensor]));
const used = (feeds: Record<string, Value>, names: readonly string[]) =>
  Object.fromEntries(names.map((name) => [name, feeds[name]!]));

function expectClose(actual: number, expected: number, tolerance = 4e-3): void {
  expect(Math.abs(actual - expected)).toBeLessThanOrEqual(tolerance * Math.max(1, Math.abs(expected)));
}
