import { describe, expect, it } from 'vitest';
import { roundedTo } from '../../src/checkpoint/floatTypes.js';
import { toBFloat16, toFloat16 } from '../../src/checkpoint/halves.js';
import { readOracle } from '../fixtures.js';

interface Rounding {
  readonly rounding: Readonly<Record<'bits' | 'bfloat16' | 'float16', string>>;
}

describe('rounding to halves', async () => {
  const oracle = await readOracle<Rounding>('checkpoints/merged-types');
  const numbers = (name: keyof Rounding['rounding']) =>
    Array.from(oracle.at(oracle.description.rounding[name]).data, Number);
  const values = new Float32Array(Uint32Array.from(numbers('bits')).buffer);

  it.each([
    ['bfloat16', toBFloat16],
    ['float16', toFloat16],
  ] as const)('gives the bits that PyTorch gives: %s', (type, round) => {
    expect(Array.from(round(values))).toEqual(numbers(type));
  });

  it('keeps what is no number', () => {
    const some = new Float32Array(Uint32Array.of(0x7fc00000, 0x7f800001, 0xffffffff).buffer);
    for (const type of ['bfloat16', 'float16'] as const)
      expect([...roundedTo(some, type)].every(Number.isNaN)).toBe(true);
  });
});
