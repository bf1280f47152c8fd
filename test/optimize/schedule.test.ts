import { describe, expect, it } from 'vitest';
import { linearSchedule } from '../../src/optimize/schedule.js';

describe('linearSchedule', () => {
  it('rises linearly from 0 over the warm-up and falls linearly to 0 at the end', () => {
    const factors = Array.from({ length: 11 }, (_, step) => linearSchedule(step, 10, 4));
    expect(factors).toEqual([0, 1 / 4, 2 / 4, 3 / 4, 1, 5 / 6, 4 / 6, 3 / 6, 2 / 6, 1 / 6, 0]);
  });

  it('starts at the peak without a warm-up', () => {
    expect(linearSchedule(0, 10, 0)).toBe(1);
  });

  it('stays at 0 after the end', () => {
    expect(linearSchedule(12, 10, 4)).toBe(0);
  });

  it('only rises when the warm-up is the whole run', () => {
    expect([0, 1, 2, 3, 4].map((step) => linearSchedule(step, 4, 4))).toEqual([0, 0.25, 0.5, 0.75, 0]);
  });
});
