import { describe, expect, it } from 'vitest';
import { grad, input, ops, stored, type Tensor } from '../../src/graph/index.js';
import { elementsOf, peakOfResults } from '../../src/graph/liveness.js';
import { recompute } from '../../src/graph/passes/recompute.js';

const sizes = { batch: 8 };
const x = input('x', 'float32', ['batch', 16]);
/** Bytes of [8, 16]. */
const unit = 4 * 8 * 16;
const weight = (name: string) => input(name, 'float32', [16, 16]);
const total = (value: Tensor) => ops.sum(value, { axes: [0, 1], keepDims: false });

describe('the peak of results', () => {
  it('is two states where products follow each other, whatever their number', () => {
    let state = x;
    for (let i = 0; i < 5; i++) state = ops.matmul(state, weight('w'));
    expect(peakOfResults([total(state)], sizes)).toBe(2 * unit);
  });

  it('counts no result that takes the place of its operand, or is another view of it', () => {
    const state = ops.matmul(x, weight('w'));
    const other = ops.reshape(ops.tanh(ops.exp(state)), ['4*batch', 4]);
    expect(peakOfResults([total(other)], sizes)).toBe(unit);
    // Read again later, the operand keeps its place.
    expect(peakOfResults([total(ops.add(ops.matmul(ops.exp(state), weight('v')), state))], sizes)).toBe(3 * unit);
  });

  it('counts neither outputs nor what depends on weights alone', () => {
    const location = { name: 'w', file: '/w', offset: 0, length: 512 };
    const wide = ops.cast(stored(location, [16, 16], 'float16'), 'float32');
    expect(peakOfResults([ops.matmul(x, wide)], sizes)).toBe(0);
  });

  it('multiplies symbolic sizes, and refuses unknown ones', () => {
    expect(elementsOf(['2*batch*seq', 3], { batch: 5, seq: 7 })).toBe(210);
    expect(() => elementsOf(['rows'], sizes)).toThrow(/"rows"/);
  });

  it('grows with checkpointing by one state a layer, and without by all activations', () => {
    const peak = (layers: number, marked: boolean) => {
      let state = x;
      const weights = Array.from({ length: layers }, (_, layer) => weight(`w${layer}`));
      for (const [index, one] of weights.entries()) {
        if (marked) state = ops.boundary(state, { index, of: 'value' });
        state = ops.add(state, ops.gelu(ops.matmul(ops.gelu(ops.matmul(ops.tanh(state), one)), one)));
      }
      return peakOfResults(recompute([total(state), ...grad(total(state), weights)]), sizes);
    };
    expect(peak(24, true) - peak(12, true)).toBe(12 * unit);
    // tanh and both arguments of gelu, and the result of the first, which the second product's derivative reads.
    expect(peak(24, false) - peak(12, false)).toBe(12 * 4 * unit);
  });
});
