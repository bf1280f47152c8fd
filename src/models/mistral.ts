import * as z from 'zod';
import { parseConfig } from './config.js';
import { describeLlama } from './llamaDecoder.js';
import type { Family } from './model.js';

const windowSchema = z.object({ sliding_window: z.int().positive().nullish() });

/** Mistral (arXiv 2310.06825): LLaMA whose layers see a window of positions. */
export const mistral: Family = {
  name: 'Mistral',
  modelTypes: ['mistral'],
  describe: (checkpoint) =>
    describeLlama(checkpoint, {
      className: 'Mistral',
      biases: () => ({ qkv: false, output: false, mlp: false }),
      window(_, { config }) {
        // A config.json without the key means transformers' default; one with null means no window.
        if (!('sliding_window' in config)) return 4096;
        return parseConfig(windowSchema, checkpoint).sliding_window ?? undefined;
      },
    }),
};
