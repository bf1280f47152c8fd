export { type ModelCardInput, modelCard } from './card.js';
export { rankOf, scalingOf } from './config.js';
export { type ReadAdapter, readPeftAdapter } from './read.js';
export type { LoraPair, PeftAdapter } from './types.js';
export { type WriteAdapterOptions, writePeftAdapter, zeroPair } from './write.js';
