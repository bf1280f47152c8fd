export { isSavedBy, usualHeads } from './check.js';
export { alphaOf, rankOf, scalingOf } from './ranks.js';
export { type ReadAdapter, readPeftAdapter } from './read.js';
export type { PeftAdapter } from './types.js';
export { type WriteAdapterOptions, writePeftAdapter } from './write.js';
