import type { NamedTensor } from '../../checkpoint/types.js';
import { baseKey, KEY_PREFIX, SHARED_PREFIX } from './names.js';
import type { PeftAdapter } from './types.js';

/** What the header of adapter_model.safetensors says. */
export const weightsMetadata = { format: 'pt' } as const;

/** The tensors under PEFT's keys. */
export function keyedTensors(adapter: PeftAdapter): NamedTensor[] {
  const adapted = new Set(adapter.modules.keys());
  const ofModules = [...adapter.modules].flatMap(([module, tensors]) =>
    Object.entries(tensors).map(([suffix, tensor]) => ({ ...tensor, name: `${KEY_PREFIX}${module}.${suffix}` })),
  );
  return [
    ...ofModules,
    ...adapter.shared.map((tensor) => ({ ...tensor, name: SHARED_PREFIX + tensor.name })),
    ...adapter.biases.map((tensor) => ({ ...tensor, name: KEY_PREFIX + baseKey(tensor.name, adapted) })),
    ...(adapter.embeddings ?? []).map((tensor) => ({ ...tensor, name: KEY_PREFIX + baseKey(tensor.name, adapted) })),
    ...adapter.saved.map((tensor) => ({ ...tensor, name: KEY_PREFIX + tensor.name })),
  ];
}
