import type { Refusal } from './configKeys.js';

/**
 * Windows and layers by name in a decoder that has none: transformers reads them nowhere but in its cache, which then drops
 * keys while a text is generated.
 */
export function refusedWindows(positions: { readonly key: string; readonly usual: number }): Record<string, Refusal> {
  const reachesAll: Refusal['allows'] = (value, config) =>
    value === null || (typeof value === 'number' && value >= Number(config[positions.key] ?? positions.usual));
  const why = 'this family has no windows. Leave it out where the model was trained without';
  return {
    sliding_window: { allows: reachesAll, why },
    attention_chunk_size: { allows: reachesAll, why },
    layer_types: {
      allows: (value) =>
        value === null ||
        (Array.isArray(value) && value.every((type) => type === 'full_attention' || type === 'attention')),
      why: 'every layer of this family sees everything before it',
    },
  };
}
