import { describe, expect, it } from 'vitest';
import { grad, input, ops, stored, type Tensor } from '../../src/graph/index.js';
import { operationsOf } from '../../src/graph/operations.js';

const sizes = { batch: 64 };
const x = input('x', 'float32', ['batch', 256]);
const total = (value: Tensor) => ops.sum(value, { axes: [0, 1], keepDims: false });
const w = input('w', 'float32', [256, 512]);
/** Two operations for each term of a product [64, 256] · [256, 512]. */
const product = 2 * 64 * 256 * 512;

describe('the operations of a graph', () => {
  it('are two for each term of a product, however its operands are turned', () => {
    expect(operationsOf([ops.matmul(x, w)], sizes)).toBe(product);
    const turned = input('w', 'float32', [512, 256]);
    expect(operationsOf([ops.matmul(x, turned, { transB: true })], sizes)).toBe(product);
    const upright = input('x', 'float32', [256, 'batch']);
    expect(operationsOf([ops.matmul(upright, w, { transA: true })], sizes)).toBe(product);
  });

  it('are the way through memory of a product of low rank: 16 for each element that it touches', () => {
    const narrow = input('a', 'float32', [256, 2]);
    expect(operationsOf([ops.matmul(x, narrow)], sizes)).toBe(16 * (64 * 256 + 256 * 2 + 64 * 2));
  });

  it('are 16 for each element that is read or written where it is taken one by one', () => {
    expect(operationsOf([ops.tanh(ops.reshape(x, ['256*batch']))], sizes)).toBe(16 * 2 * 64 * 256);
    expect(operationsOf([ops.mul(x, input('y', 'float32', ['batch', 256]))], sizes)).toBe(16 * 3 * 64 * 256);
    expect(operationsOf([total(x)], sizes)).toBe(16 * (64 * 256 + 1));
    // A stretch of a large tensor.
    expect(operationsOf([ops.slice(x, { axis: 1, start: 0, length: 2 })], sizes)).toBe(16 * 2 * 64 * 2);
  });

  it('treble a product where both of its operands are differentiated, and double it for one', () => {
    const loss = (by: readonly Tensor[]) => {
      const y = total(ops.mul(ops.matmul(x, w), input('dy', 'float32', ['batch', 512])));
      return operationsOf([y, ...grad(y, by)], sizes) - operationsOf([y], sizes);
    };
    expect(loss([x, w]) - loss([x])).toBe(product);
  });

  it('leave out what depends on weights of the file alone', () => {
    const location = { name: 'w', file: '/w', offset: 0, length: 2 * 256 * 512 };
    const wide = ops.cast(stored(location, [256, 512], 'float16'), 'float32');
    expect(operationsOf([ops.matmul(x, wide)], sizes)).toBe(product);
  });
});
