import type { KnownKinds } from '../columns.js';
import { classification } from './classification.js';
import { regression } from './regression.js';

/** The kinds that are learned in a tab of a browser, by name: those that need no more than the engine. */
export const tabKinds = { classification, regression };

/** The same, for rows that may be of any. */
export const allTabKinds: KnownKinds = { all: Object.values(tabKinds), usual: classification };
