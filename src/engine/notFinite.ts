import * as z from 'zod';
import { DiffoError } from '../errors.js';
import type { Resumable } from '../state.js';

/** Numbers that a run can do nothing with: NaN or infinite ones, in a loss, a gradient, an output or what is trained. */
export class NotFiniteError extends DiffoError {}

export const divergenceCure = 'Lower --lr or --max-grad-norm, or check the data and the base model.';

/** Steps that may be left out because their loss or gradient is not finite. */
export const usualSkippedSteps = 10;

/** Numbers and what they are called in messages: a parameter, a gradient, an output. */
export interface NamedValues {
  readonly name: string;
  readonly values: Float32Array;
}

/** The first value that is not finite, as the end of a sentence; undefined where all are. */
export function firstNotFinite(arrays: Iterable<NamedValues>): string | undefined {
  for (const { name, values } of arrays) {
    const at = values.findIndex((value) => !Number.isFinite(value));
    if (at >= 0) return `${name} holds ${values[at]} at position ${at}`;
  }
  return undefined;
}

/** @param what of the sentence: `The search diverged` @throws NotFiniteError where what is trained is not finite */
export function refuseDiverged(what: string, trained: Iterable<NamedValues>): void {
  const broken = firstNotFinite(trained);
  if (broken !== undefined) throw new NotFiniteError(`${what}: ${broken}. ${divergenceCure}`);
}

/**
 * For gradients by which modules are measured: an average of them would hide what is wrong.
 * @param at `batch 3`, `example 12`
 */
export function refuseNotFiniteGradient(
  at: string,
  wrt: readonly { readonly name: string }[],
  gradients: readonly Float32Array[],
): void {
  const broken = firstNotFinite(wrt.map(({ name }, i) => ({ name, values: gradients[i]! })));
  if (broken === undefined) return;
  throw new NotFiniteError(
    `The gradient of training ${at} is not finite: ${broken}. Check the data and the base model.`,
  );
}

/** What is done without a use for it is not to be lost, so a step whose numbers are not finite is left out, and counted. */
export interface SkippedSteps extends Resumable {
  /**
   * Counts a step.
   * @param step from 0
   * @param found what is not finite, such as `loss NaN`
   * @throws NotFiniteError where it is one too many, or no later step can do better: what is trained is not finite itself
   */
  add(step: number, found: string): void;
  /** Warns how many there were, if any. */
  end(steps: number): void;
}

const stateSchema = z.object({ count: z.int() });

export function skippedSteps(options: {
  /** `training`, `search`. */
  readonly of: string;
  readonly limit?: number | undefined;
  /** What is trained. */
  readonly trained: Iterable<NamedValues>;
  readonly warn?: ((message: string) => void) | undefined;
}): SkippedSteps {
  const { of, limit = usualSkippedSteps, trained, warn } = options;
  let count = 0;
  return {
    state: () => ({ arrays: {}, values: { count } }),
    restore: ({ values }) => {
      count = stateSchema.parse(values).count;
    },
    add(step, found) {
      const broken = firstNotFinite(trained);
      if (broken !== undefined || count >= limit) {
        const why = broken ?? `${count} steps have been left out already (--max-skipped-steps ${limit})`;
        throw new NotFiniteError(`The ${of} diverged at step ${step + 1}: ${found}, and ${why}. ${divergenceCure}`);
      }
      count++;
      if (count === 1)
        warn?.(`Step ${step + 1} of the ${of} has ${found} and is left out; so are up to ${limit} in all.`);
    },
    end(steps) {
      if (count > 0) warn?.(`${count} of ${steps} steps of the ${of} were left out: loss or gradient was not finite.`);
    },
  };
}
