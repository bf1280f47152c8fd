import { describe, expect, it } from 'vitest';
import { type DType, grad, input, ops, pullback, type Tensor } from '../../src/graph/index.js';
import type { MatmulAttrs } from '../../src/graph/primitives/matmul.js';
import type { PadAttrs } from '../../src/graph/primitives/pad.js';
import type { SliceAttrs } from '../../src/graph/primitives/slice.js';
import type { SumAttrs } from '../../src/graph/primitives/sum.js';
import type { Value } from '../../src/runtime/session.js';
import { expectClose, readOracle, type TensorKeys, type Tolerance } from '../fixtures.js';
import { evaluate } from './evaluate.js';

interface PrimitiveCase {
  readonly op: string;
  readonly name: string;
  readonly attrs: Attrs;
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
  readonly cotangents: readonly string[];
  readonly gradients: readonly (string | null)[];
}

type Attrs = MatmulAttrs &
  SumAttrs &
  SliceAttrs &
  PadAttrs & {
    readonly shape: number[];
    readonly perm: number[];
    readonly by: number;
    readonly rows: number;
    readonly epsilon: number;
    readonly ignoreIndex?: number;
  };

/** The call of `ops` that each oracle case means. */
const calls: Readonly<Record<string, (x: readonly Tensor[], attrs: Attrs) => Tensor>> = {
  add: ([a, b]) => ops.add(a!, b!),
  sub: ([a, b]) => ops.sub(a!, b!),
  mul: ([a, b]) => ops.mul(a!, b!),
  div: ([a, b]) => ops.div(a!, b!),
  neg: ([x]) => ops.neg(x!),
  exp: ([x]) => ops.exp(x!),
  log: ([x]) => ops.log(x!),
  sqrt: ([x]) => ops.sqrt(x!),
  cos: ([x]) => ops.cos(x!),
  sin: ([x]) => ops.sin(x!),
  tanh: ([x]) => ops.tanh(x!),
  erf: ([x]) => ops.erf(x!),
  sigmoid: ([x]) => ops.sigmoid(x!),
  relu: ([x]) => ops.relu(x!),
  gelu: ([x]) => ops.gelu(x!),
  geluTanh: ([x]) => ops.geluTanh(x!),
  silu: ([x]) => ops.silu(x!),
  where: ([condition, a, b]) => ops.where(ops.cast(condition!, 'bool'), a!, b!),
  matmul: ([a, b], attrs) => ops.matmul(a!, b!, attrs),
  sum: ([x], attrs) => ops.sum(x!, attrs),
  mean: ([x], attrs) => ops.mean(x!, attrs),
  reshape: ([x], { shape }) => ops.reshape(x!, shape),
  transpose: ([x], { perm }) => ops.transpose(x!, perm),
  slice: ([x], attrs) => ops.slice(x!, attrs),
  pad: ([x], attrs) => ops.pad(x!, attrs),
  concat: (parts, { axis }) => ops.concat(parts, axis),
  expand: ([x], { shape }) => ops.expand(x!, shape),
  gather: ([table, indices]) => ops.gather(table!, indices!),
  scatterAdd: ([updates, indices], { rows }) => ops.scatterAdd(indices!, updates!, rows),
  softmax: ([x]) => ops.softmax(x!),
  logSoftmax: ([x]) => ops.logSoftmax(x!),
  crossEntropy: ([logits, labels], { ignoreIndex }) => ops.crossEntropy(logits!, labels!, ignoreIndex),
  layerNorm: ([x, scale, bias], { epsilon }) => ops.layerNorm(x!, scale!, bias!, epsilon)[0]!,
  skew: ([x]) => ops.skew(x!),
  shift: ([x], { axis, by }) => ops.shift(x!, { axis, by }),
  rotary: ([x, cos, sin]) => ops.rotary(x!, cos!, sin!),
  rmsNorm: ([x, scale], { epsilon }) => ops.rmsNorm(x!, scale!, epsilon)[0]!,
};

/** 1 + tanh(x) near x = −5 is a multiple of 6e-8, which the derivative of geluTanh multiplies by 20: hence the floor. */
const tolerance: Tolerance = { relative: 1e-5, floor: 2e-6 };

const dtypeOf = ({ data }: Value): DType => (data instanceof Float32Array ? 'float32' : 'int64');
const inputOf = (name: string, value: Value) => input(name, dtypeOf(value), value.shape);

const primitives = await readOracle<readonly PrimitiveCase[]>('primitives');

describe('primitives against PyTorch', () => {
  it('has all 109 cases of the fixture', () => {
    expect(primitives.description).toHaveLength(109);
  });

  it.each(primitives.description.map((one) => [one.op, one.name, one] as const))('%s %s', async (op, _, one) => {
    const feeds = Object.fromEntries(one.inputs.map((key, i) => [`x${i}`, primitives.at(key)]));
    const cotangent = primitives.at(one.cotangents[0]!);
    const inputs = Object.entries(feeds).map(([name, value]) => inputOf(name, value));
    const output = calls[op]!(inputs, one.attrs);
    const expected = primitives.at(one.outputs[0]!);
    expect(output.shape).toEqual(expected.shape);

    const differentiable = one.gradients.flatMap((key, i) => (key === null ? [] : [{ key, x: inputs[i]! }]));
    const gradients = pullback(
      [output],
      [inputOf('cotangent', cotangent)],
      differentiable.map(({ x }) => x),
    );
    const named = Object.fromEntries(gradients.map((gradient, i) => [`gradient${i}`, gradient]));
    const got = await evaluate<string>({ output, ...named }, { ...feeds, cotangent });

    expectClose('output', got.output!.data, expected.data, tolerance);
    for (const [i, { key, x }] of differentiable.entries()) {
      const gradient = got[`gradient${i}`]!;
      expect(gradient.shape).toEqual(x.shape);
      expectClose(`gradient of input ${i}`, gradient.data, primitives.at(key).data, tolerance);
    }
  });
});

interface NetworkCase {
  readonly name: string;
  readonly attrs: { readonly epsilon: number };
  readonly x: string;
  readonly labels: string;
  readonly loss: number;
  readonly parameters: TensorKeys;
  readonly gradients: TensorKeys;
  readonly direction: TensorKeys;
  readonly hessianVector: TensorKeys;
}

type Parameters = Readonly<Record<string, Tensor>>;
const linear = (x: Tensor, p: Parameters, name: string) => {
  const product = ops.matmul(x, p[`${name}.weight`]!, { transB: true });
  const bias = p[`${name}.bias`];
  return bias === undefined ? product : ops.add(product, bias);
};

/** Logits of the networks in test/oracle/double_backward.py. */
const networks: Readonly<Record<string, (x: Tensor, p: Parameters, epsilon: number) => Tensor>> = {
  tanh: (x, p) => linear(ops.tanh(linear(x, p, 'linear0')), p, 'linear1'),
  geluLayerNorm: (x, p, epsilon) => {
    const hidden = ops.gelu(linear(x, p, 'linear0'));
    const normal = ops.layerNorm(hidden, p['layerNorm.weight']!, p['layerNorm.bias']!, epsilon)[0]!;
    return linear(normal, p, 'linear1');
  },
  attention: (x, p) => {
    const [query, key, value] = ['query', 'key', 'value'].map((name) => linear(x, p, name));
    const weights = ops.softmax(ops.matmul(query!, key!, { transB: true, alpha: 0.5 }));
    const context = ops.mean(ops.matmul(weights, value!), { axes: [1], keepDims: false });
    return linear(context, p, 'linear1');
  },
};

const doubleback = await readOracle<{ readonly cases: readonly NetworkCase[] }>('doubleback');

describe('networks against PyTorch, differentiated twice', () => {
  it('has a network for every case of the fixture', () => {
    expect(doubleback.description.cases.map(({ name }) => name)).toEqual(Object.keys(networks));
  });

  it.each(doubleback.description.cases.map((one) => [one.name, one] as const))(
    '%s: loss, gradients and Hessian-vector products',
    async (name, one) => {
      const names = Object.keys(one.parameters);
      const values = doubleback.all(one.parameters);
      const directions = doubleback.all(one.direction);
      const [x, labels] = [doubleback.at(one.x), doubleback.at(one.labels)];
      const parameters = Object.fromEntries(names.map((key) => [key, inputOf(key, values[key]!)]));
      const logits = networks[name]!(inputOf('x', x), parameters, one.attrs.epsilon);
      const rows = ops.crossEntropy(logits, inputOf('labels', labels));
      const loss = ops.mean(rows, { axes: [0], keepDims: false });
      const wrt = names.map((key) => parameters[key]!);
      const first = grad(loss, wrt);
      const along = names
        .map((key, i) => ops.mul(first[i]!, inputOf(`direction ${key}`, directions[key]!)))
        .map((product) => ops.sum(product, { axes: product.shape.map((_, axis) => axis), keepDims: false }))
        .reduce((total, part) => ops.add(total, part));
      const second = grad(along, wrt);

      const fed = Object.fromEntries(names.map((key) => [`direction ${key}`, directions[key]!]));
      const outputs: Record<string, Tensor> = { loss };
      for (const [i, key] of names.entries()) {
        outputs[`gradient ${key}`] = first[i]!;
        outputs[`product ${key}`] = second[i]!;
      }
      const got = await evaluate(outputs, { x, labels, ...values, ...fed });

      expectClose('loss', got.loss!.data, [one.loss], { relative: 1e-5, floor: 0 });
      for (const key of names) {
        const gradient = doubleback.at(one.gradients[key]!);
        const product = doubleback.at(one.hessianVector[key]!);
        expectClose(`gradient of ${key}`, got[`gradient ${key}`]!.data, gradient.data, tolerance);
        expectClose(`product for ${key}`, got[`product ${key}`]!.data, product.data, tolerance);
      }
    },
  );
});
