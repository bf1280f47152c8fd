import type { Model } from '../models/model.js';
import type { Dam } from './dam.js';
import type { Allowance } from './discretise.js';
import { gridOf } from './grid.js';
import { type CountedStep, type GatePrice, modulePrices, type PriceName, stepCost } from './price.js';
import { choosePriced, chooseWithin, type PricedChoice } from './pricedChoice.js';

/** What a run says of prices. */
export interface PriceSettings {
  readonly price?: PriceName | undefined;
  /** λ. */
  readonly priceWeight: number;
  /** In the place of both: the time that a step may take, as a share of LoRA on all modules; λ is solved for. */
  readonly maxStepTime?: number | undefined;
}

/** How a choice of modules weighs what they cost. */
export interface Pricing {
  /** In the loss of the search; undefined where λ is solved for, after it. */
  readonly ofGates: GatePrice | undefined;
  choose(values: readonly (readonly number[])[]): PricedChoice;
  /** What dam.json says of a matrix. */
  recordOf(choice: PricedChoice): NonNullable<Dam['price']>;
}

/** True where settings ask for a choice that weighs what modules cost. */
export function asksForPrice({ price, maxStepTime }: Partial<PriceSettings>): boolean {
  return price !== undefined || maxStepTime !== undefined;
}

/** The pricing that settings ask for. Counts the graphs of a step: some seconds for a large model. @throws DiffoError (usage) for a time that is too short for any choice */
export function pricingOf(
  model: Model,
  step: CountedStep,
  allowance: Allowance,
  { price = 'time', priceWeight: weight, maxStepTime }: PriceSettings,
): Pricing {
  const grid = gridOf(model);
  const parts = modulePrices(model, step, price);
  const whole = stepCost(model, step, price, () => true);
  const shares = new Map<string, number>();
  const shareOf = (gamma: PricedChoice['gamma']) => {
    const key = gamma.flat().join('');
    const share = shares.get(key) ?? stepCost(model, step, price, (module) => grid.at(gamma, module) === 1) / whole;
    shares.set(key, share);
    return share;
  };
  // What no measure could bring about is to be known before one is taken.
  if (maxStepTime !== undefined)
    chooseWithin(grid.filled(0), allowance, parts, { limit: maxStepTime, costOf: shareOf });
  return {
    ofGates: maxStepTime === undefined ? { prices: parts, weight } : undefined,
    choose: (values) =>
      maxStepTime === undefined
        ? { gamma: choosePriced(values, allowance, parts, weight), weight }
        : chooseWithin(values, allowance, parts, { limit: maxStepTime, costOf: shareOf }),
    recordOf: (choice) => ({
      of: price,
      weight: choice.weight,
      share: shareOf(choice.gamma),
      ...(maxStepTime === undefined ? {} : { limit: maxStepTime }),
    }),
  };
}
