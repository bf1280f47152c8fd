import type { OptimisationConfig } from './config.js';

/** The rate that replaces the model's own, if one does. */
export function dropoutRateOf({ dropout }: Pick<OptimisationConfig, 'dropout'>): number | undefined {
  return dropout === 'model' ? undefined : dropout;
}
