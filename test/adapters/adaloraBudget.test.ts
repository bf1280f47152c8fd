import { describe, expect, it } from 'vitest';
import { type BudgetSchedule, budgetAt, checkSchedule, rankAllocation } from '../../src/adapters/adaloraBudget.js';

describe("AdaLoRA's budget", () => {
  /** From the tests of PEFT (tests/test_adalora.py). */
  const schedule = (
    [init, target, modules]: [number, number, number],
    [warmup, final, totalSteps, interval]: [number, number, number, number],
  ): BudgetSchedule => ({ initial: init * modules, target: target * modules, warmup, final, totalSteps, interval });

  it('falls from 288 to 192 as in PEFT', () => {
    const one = schedule([12, 8, 24], [200, 200, 1000, 10]);
    const budgets = [200, 201, 210, 500, 799].map((step) => budgetAt(step, one).budget);
    expect(budgets).toEqual([288, 287, 283, 204, 192]);
  });

  it('falls from 216 to 72 as in PEFT', () => {
    const one = schedule([3, 1, 72], [100, 200, 600, 10]);
    const budgets = [100, 101, 110, 250, 399].map((step) => budgetAt(step, one).budget);
    expect(budgets).toEqual([216, 214, 202, 90, 72]);
  });

  it('allocates every deltaT steps after the warm-up, and at every step of the end', () => {
    const one = schedule([12, 8, 24], [200, 200, 1000, 10]);
    expect([100, 200, 205, 210, 801].map((step) => budgetAt(step, one).allocates)).toEqual([
      false,
      false,
      false,
      true,
      true,
    ]);
  });

  it('refuses schedules that leave nothing to allocate', () => {
    for (const [warmup, final] of [
      [20, 80],
      [80, 20],
    ] as const) {
      const one = schedule([12, 8, 24], [warmup, final, 100, 1]);
      expect(() => checkSchedule(one)).toThrow(/100 steps, of which --adalora-tinit .* leave none/);
    }
    expect(() => checkSchedule(schedule([12, 8, 24], [20, 79, 100, 1]))).not.toThrow();
    // The first step would allocate, and nothing is known of the ranks yet.
    expect(() => checkSchedule(schedule([12, 8, 24], [0, 1, 2, 1]))).toThrow(/2 steps, .* none before it to weigh/);
    expect(() => checkSchedule(schedule([12, 8, 24], [0, 1, 3, 1]))).not.toThrow();
  });
});

describe("AdaLoRA's allocation", () => {
  it('keeps the ranks of the highest sensitivity × uncertainty, and what is masked stays masked at the end', () => {
    const values = new Map(
      ['x', 'y'].flatMap((name) => [
        [`${name}.A`, Float32Array.of(1, 1, 1, 1)], // [2, 2]
        [`${name}.B`, Float32Array.of(1, 1, 1, 1)],
        [`${name}.E`, Float32Array.of(1, 1)],
      ]),
    );
    const slope = (scale: number) => Float32Array.of(scale, scale, scale, scale);
    const gradients = new Map([
      ['x.A', slope(0)],
      ['x.B', slope(0)],
      ['x.E', Float32Array.of(3, 1)],
      ['y.A', slope(0)],
      ['y.B', slope(0)],
      ['y.E', Float32Array.of(2, 4)],
    ]);
    const triplets = ['x', 'y'].map((name) => ({ a: `${name}.A`, b: `${name}.B`, e: `${name}.E` }));
    const schedule = { initial: 4, target: 2, totalSteps: 4, warmup: 0, final: 2, interval: 1 };
    const control = rankAllocation(triplets, schedule, { beta1: 0.85, beta2: 0.85 });
    const at = (map: ReadonlyMap<string, Float32Array>) => (name: string) => map.get(name)!;
    // Step 1: budget trunc(2 · 0.5³ + 2) = 2, so the two least important go: x's second and y's first.
    control.afterStep(1, at(values), at(gradients));
    expect(Array.from(values.get('x.E')!)).toEqual([1, 0]);
    expect(Array.from(values.get('y.E')!)).toEqual([0, 1]);
    control.afterStep(2, at(values), at(gradients));
    values.get('x.E')![1] = 5;
    control.afterStep(3, at(values), at(gradients));
    expect(Array.from(values.get('x.E')!)).toEqual([1, 0]);
  });
});
