import * as z from 'zod';
import type { Checkpoint } from '../checkpoint/types.js';
import { type LlamaConfig, layerTypes, windowSize, windowsByType } from './llamaDecoder.js';

/** The keys of config.json by which Qwen2 and Qwen3 have windows, with transformers' defaults. */
export const qwenWindowShape = {
  use_sliding_window: z.boolean().default(false),
  sliding_window: windowSize.default(4096),
  max_window_layers: z.int().default(28),
  layer_types: layerTypes,
};

/** By layer: the positions that it sees, all where undefined. @throws as {@link windowsByType} */
export function qwenWindows(
  checkpoint: Checkpoint,
  config: LlamaConfig & z.infer<z.ZodObject<typeof qwenWindowShape>>,
): (number | undefined)[] {
  const { num_hidden_layers: layers, max_window_layers: first } = config;
  const window = config.use_sliding_window ? config.sliding_window : null;
  const fromFirst = Array.from({ length: layers }, (_, layer) =>
    window !== null && layer >= first ? 'sliding_attention' : 'full_attention',
  );
  return windowsByType(checkpoint, config.layer_types ?? fromFirst, config, window);
}
