export { isSavedBy, usualHeads } from './check.js';
export type { GivenOfAdapter } from './config.js';
export { ADAPTER_CONFIG_FILE, ADAPTER_WEIGHTS_FILE, MODEL_CARD_FILE, OLD_WEIGHTS_FILE } from './names.js';
export { alphaOf, rankOf, scalingOf } from './ranks.js';
export { type ReadAdapter, readPeftAdapter } from './read.js';
export type { PeftAdapter } from './types.js';
export { type WriteAdapterOptions, writePeftAdapter } from './write.js';
