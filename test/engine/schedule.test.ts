import { describe, expect, it } from 'vitest';
import { scheduleFactor, schedules } from '../../src/engine/schedule.js';

const factors = (name: (typeof schedules)[number], steps: number, total: number, warmup: number) =>
  Array.from({ length: steps }, (_, step) => scheduleFactor(name, step, total, warmup));

describe('the linear schedule', () => {
  it('rises linearly from 0 over the warm-up and falls linearly to 0 at the end', () => {
    expect(factors('linear', 11, 10, 4)).toEqual([0, 1 / 4, 2 / 4, 3 / 4, 1, 5 / 6, 4 / 6, 3 / 6, 2 / 6, 1 / 6, 0]);
  });

  it('only rises when the warm-up is the whole run', () => {
    expect(factors('linear', 5, 4, 4)).toEqual([0, 0.25, 0.5, 0.75, 0]);
  });
});

describe('the cosine and the constant schedule', () => {
  it('are those of transformers 5.23: warm-up 4 of 10 steps', () => {
    const cosine = [0, 0.25, 0.5, 0.75, 1, 0.933012702, 0.75, 0.5, 0.25, 0.066987298, 0];
    for (const [step, factor] of factors('cosine', 11, 10, 4).entries()) expect(factor).toBeCloseTo(cosine[step]!, 8);
    expect(factors('constant', 11, 10, 4)).toEqual([0, 0.25, 0.5, 0.75, 1, 1, 1, 1, 1, 1, 1]);
  });
});

describe.each(schedules)('%s', (name) => {
  it('starts at the peak without a warm-up, and does not rise again after the end', () => {
    expect(scheduleFactor(name, 0, 10, 0)).toBe(1);
    expect(scheduleFactor(name, 12, 10, 4)).toBe(name === 'constant' ? 1 : 0);
  });
});
