import { describeLlama } from './llamaDecoder.js';
import type { Family } from './model.js';

/** LLaMA 1 to 3 and SmolLM. */
export const llama: Family = {
  name: 'LLaMA',
  modelTypes: ['llama'],
  describe: (checkpoint) =>
    describeLlama(checkpoint, {
      className: 'Llama',
      biases: ({ attention_bias: attention, mlp_bias: mlp }) => ({ qkv: attention, output: attention, mlp }),
      window: () => undefined,
    }),
};
