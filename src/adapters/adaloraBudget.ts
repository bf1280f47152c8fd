import * as z from 'zod';
import { DiffoError, usageError } from '../errors.js';
import type { StepControl, TensorValues } from './plan.js';

/** Ranks that stay, pair by pair; missing before the first allocation. */
const stateSchema = z.object({ kept: z.array(z.array(z.boolean())).optional() });

/** How the total of ranks falls over a run. */
export interface BudgetSchedule {
  /** Ranks of all modules together at the start and at the end. */
  readonly initial: number;
  readonly target: number;
  readonly totalSteps: number;
  /** Steps before the budget falls (tinit), and those at the end in which it stands still (tfinal). */
  readonly warmup: number;
  readonly final: number;
  /** Steps between two allocations (deltaT). */
  readonly interval: number;
}

/** @throws DiffoError (usage) when the schedule leaves no step in which the budget could fall, or none before it to weigh ranks by */
export function checkSchedule({ warmup, final, totalSteps }: BudgetSchedule): void {
  const last = totalSteps - final;
  if (warmup >= last) {
    throw usageError(
      `AdaLoRA has ${totalSteps} steps, of which --adalora-tinit ${warmup} and --adalora-tfinal ${final} leave none to allocate ranks in. Lower one of them or train longer.`,
    );
  }
  if (last > 1) return;
  throw usageError(
    `AdaLoRA has ${totalSteps} steps, and with --adalora-tfinal ${final} the first of them allocates ranks with none before it to weigh them by. Lower it or train longer.`,
  );
}

/**
 * Ranks that may stay after a step (arXiv 2303.10512, equation 12), and whether they are allocated now: a cubic fall
 * from `initial` to `target`. Steps count from 1.
 */
export function budgetAt(step: number, schedule: BudgetSchedule): { budget: number; allocates: boolean } {
  const { initial, target, totalSteps, warmup, final, interval } = schedule;
  if (step <= warmup) return { budget: initial, allocates: false };
  if (step > totalSteps - final) return { budget: target, allocates: true };
  const left = 1 - (step - warmup) / (totalSteps - final - warmup);
  return { budget: Math.trunc((initial - target) * left ** 3 + target), allocates: step % interval === 0 };
}

/** Names of the three tensors of a pair. */
export interface TripletNames {
  readonly a: string;
  readonly b: string;
  readonly e: string;
}

/**
 * AdaLoRA's allocation of ranks (section 3.2): the sensitivity |w · ∂L/∂w| of every entry, smoothed, times its smoothed
 * uncertainty (equations 8 to 11); a rank's importance is that of its singular value plus the means of its row of Q
 * and its column of P; the singular values of all but the most important ranks are set to 0. When the budget is spent,
 * what is masked stays masked (as in PEFT 0.21).
 */
export function rankAllocation(
  triplets: readonly TripletNames[],
  schedule: BudgetSchedule,
  { beta1, beta2 }: { readonly beta1: number; readonly beta2: number },
): StepControl {
  const sensitivity = new Map<string, Float32Array>();
  const uncertainty = new Map<string, Float32Array>();
  const observe = (name: string, values: Float32Array, gradient: Float32Array) => {
    const mean = sensitivity.get(name) ?? new Float32Array(values.length);
    const spread = uncertainty.get(name) ?? new Float32Array(values.length);
    for (let i = 0; i < values.length; i++) {
      const now = Math.abs(values[i]! * gradient[i]!);
      mean[i] = beta1 * mean[i]! + (1 - beta1) * now;
      spread[i] = beta2 * spread[i]! + (1 - beta2) * Math.abs(now - mean[i]!);
    }
    sensitivity.set(name, mean);
    uncertainty.set(name, spread);
  };
  const score = (name: string, i: number) => sensitivity.get(name)![i]! * uncertainty.get(name)![i]!;
  let kept: boolean[][] | undefined;
  const mask = (values: TensorValues) => {
    for (const [t, { e }] of triplets.entries()) {
      const singular = values(e);
      for (let k = 0; k < singular.length; k++) if (!kept![t]![k]) singular[k] = 0;
    }
  };
  const allocate = (budget: number, values: TensorValues) => {
    if (sensitivity.size === 0) {
      throw new DiffoError(
        'AdaLoRA is to take ranks away and no step has had a finite gradient yet. Lower --lr, or check the data.',
      );
    }
    const importance = triplets.map((names) => importanceOf(names, values, score));
    const ascending = importance.flat().sort((x, y) => x - y);
    const threshold = ascending[schedule.initial - budget - 1] ?? Number.NEGATIVE_INFINITY;
    kept = importance.map((ranks) => ranks.map((one) => one > threshold));
    mask(values);
  };
  const end = schedule.totalSteps - schedule.final;
  const averages = { sensitivity, uncertainty };
  return {
    state: () => ({
      arrays: Object.fromEntries(
        Object.entries(averages).flatMap(([kind, arrays]) =>
          [...arrays].map(([name, array]) => [`${kind}/${name}`, array]),
        ),
      ),
      values: { kept },
    }),
    restore(state) {
      kept = stateSchema.parse(state.values).kept;
      for (const [kind, arrays] of Object.entries(averages)) {
        for (const [name, array] of Object.entries(state.arrays)) {
          if (name.startsWith(`${kind}/`)) arrays.set(name.slice(kind.length + 1), array.slice());
        }
      }
    },
    afterStep(step, values, gradients) {
      if (step > end) return mask(values);
      if (step < end && gradients !== undefined) {
        for (const { a, b, e } of triplets) {
          for (const name of [a, b, e]) observe(name, values(name), gradients(name));
        }
      }
      const { budget, allocates } = budgetAt(step, schedule);
      if (allocates || step === end) allocate(budget, values);
    },
  };
}

/** Importance of each rank of a triplet. */
function importanceOf(
  { a, b, e }: TripletNames,
  values: TensorValues,
  score: (name: string, i: number) => number,
): number[] {
  const rank = values(e).length;
  const inputs = values(a).length / rank;
  const outputs = values(b).length / rank;
  return Array.from({ length: rank }, (_, k) => {
    let row = 0;
    for (let i = 0; i < inputs; i++) row += score(a, k * inputs + i);
    let column = 0;
    for (let i = 0; i < outputs; i++) column += score(b, i * rank + k);
    return score(e, k) + row / inputs + column / outputs;
  });
}
