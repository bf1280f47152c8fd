import { DiffoError } from '../errors.js';

/** `parameters` below the least that a method can be. A comparison leaves the method out of a budget for it. */
export class TooSmallError extends DiffoError {
  constructor(message: string) {
    super(message, { exitCode: 2 });
    this.name = 'TooSmallError';
  }
}

/**
 * What is thrown where even the smallest that a method can be is more than the budget.
 * @param what the smallest is of
 * @param cure what may be done beside raising the budget, as a clause
 */
export function tooSmall(budget: number, smallest: number, what: string, cure?: string): TooSmallError {
  const raise = `Give ${smallest} or more${cure === undefined ? '' : `, ${cure}`}.`;
  return new TooSmallError(
    `--parameters ${budget} is less than the ${smallest} trainable numbers of ${what}. ${raise}`,
  );
}
