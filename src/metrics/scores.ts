import type { MetricName } from './names.js';

/** Metrics by name. An undefined one, such as the correlation of constants, is NaN. */
export type Scores = Partial<Record<MetricName, number>>;
