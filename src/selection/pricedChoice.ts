import { usageError } from '../errors.js';
import { type Allowance, before, discretise, startKeeping, units } from './discretise.js';
import { type ModulePrices, priceOf } from './price.js';

type Matrix = readonly (readonly number[])[];
type Gamma = (0 | 1)[][];

/** A choice that weighs what it keeps against what that costs. */
export interface PricedChoice {
  readonly gamma: Gamma;
  /** λ that it was made with. */
  readonly weight: number;
}

/**
 * Γ of the highest value − λ · price among those that the allowance lets keep: the value of a matrix is what it keeps of the
 * measure, over what the largest entries would (both above the smallest entry), its price that of `priceOf`. λ = 1 gives up
 * one percent of the value for one percent of a step.
 *
 * Given the lowest layer that may be adapted the price is a sum over modules, so that the entries with the largest value − λ ·
 * price are the best of so many; so each lowest layer is tried, and the best of all is taken, of equal ones the cheaper. With a
 * budget or a limit the entries are taken as long as they fit.
 */
export function choosePriced(values: Matrix, allowance: Allowance, prices: ModulePrices, weight: number): Gamma {
  const largest = discretise(values, { ...allowance, choose: undefined });
  const count = largest.flat().filter((one) => one === 1).length;
  const smallest = Math.min(...values.flat());
  const above = values.map((row) => row.map((value) => value - smallest));
  const whole = sumOver(largest, above);
  const worth = above.map((row) => row.map((value) => (whole === 0 ? 0 : value / whole)));

  const isBySize = allowance.budget !== undefined || allowance.limit !== undefined;
  let best: { readonly gamma: Gamma; readonly gain: number; readonly price: number } | undefined;
  for (let lowest = 0; lowest < values.length; lowest++) {
    const gamma = bestAbove(lowest, worth, allowance, prices, weight);
    // Too few modules are left above: not so many as are to be kept.
    if (!isBySize && gamma.flat().filter((one) => one === 1).length < count) break;
    const { price } = priceOf(prices, gamma.flat());
    const gain = sumOver(gamma, worth) - weight * price;
    const isBetter = best === undefined || gain > best.gain || (gain === best.gain && price < best.price);
    if (isBetter) best = { gamma, gain, price };
  }
  return best!.gamma;
}

/** The largest of value − λ · price of the module itself, from a layer upwards, as far as they are allowed. */
function bestAbove(
  lowest: number,
  worth: Matrix,
  allowance: Allowance,
  { modules }: ModulePrices,
  weight: number,
): Gamma {
  const gain = (unit: readonly (readonly [number, number])[]) =>
    unit.reduce((sum, [layer, column]) => sum + worth[layer]![column]! - weight * modules[layer]![column]!, 0);
  const keeper = startKeeping(worth, allowance);
  const inOrder = units(worth, allowance.scope, allowance.there)
    .filter(([entry]) => entry![0] >= lowest)
    .map((unit) => ({ unit, gain: gain(unit) }))
    .sort((a, b) => b.gain - a.gain || before(a.unit, b.unit));
  for (const { unit } of inOrder) if (keeper.fits(unit)) keeper.keep(unit);
  return keeper.gamma;
}

/** λ up to which a limit is looked for: the price then outweighs any value. */
const largestWeight = 2 ** 30;
/** λ is known to one part in a million. */
const halvings = 40;

/**
 * The smallest λ, by bisection, at which what {@link choosePriced} keeps costs at most `limit`; no search is run again.
 * @param costOf what a matrix costs, as a share of LoRA on all modules, counted from its own graph
 * @throws DiffoError (usage) where no choice of so many modules is as cheap
 */
export function chooseWithin(
  values: Matrix,
  allowance: Allowance,
  prices: ModulePrices,
  { limit, costOf }: { readonly limit: number; readonly costOf: (gamma: Gamma) => number },
): PricedChoice {
  const tried = (weight: number) => {
    const gamma = choosePriced(values, allowance, prices, weight);
    return { gamma, weight, cost: costOf(gamma) };
  };
  let low = tried(0);
  if (low.cost <= limit) return { gamma: low.gamma, weight: 0 };
  let high = tried(2 ** -10);
  while (high.cost > limit && high.weight < largestWeight) {
    low = high;
    high = tried(high.weight * 2);
  }
  if (high.cost > limit) refuseLimit(high, limit);
  for (let i = 0; i < halvings && high.weight - low.weight > 1e-6 * high.weight; i++) {
    const middle = tried((low.weight + high.weight) / 2);
    if (middle.cost <= limit) high = middle;
    else low = middle;
  }
  return { gamma: high.gamma, weight: high.weight };
}

function refuseLimit({ gamma, cost }: { gamma: Gamma; cost: number }, limit: number): never {
  const kept = gamma.flat().filter((one) => one === 1).length;
  throw usageError(
    `--max-step-time ${limit} is less than ${kept} modules can be had for: the cheapest so many take ${cost.toFixed(3)} of a step of ` +
      'LoRA on all. Raise it, or keep fewer modules (--keep, --budget).',
  );
}

function sumOver(gamma: Matrix, values: Matrix): number {
  return gamma.reduce(
    (sum, row, layer) => row.reduce((part, mark, column) => part + mark * values[layer]![column]!, sum),
    0,
  );
}
