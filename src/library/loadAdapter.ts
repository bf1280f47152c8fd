import { type AdapterOptions, openAdapted } from '../artifacts/openAdapted.js';
import { usualThreads } from '../settings/config.js';
import { type Adapter, adapterOf } from './adapter.js';

/**
 * Opens an adapter on its base model for any number of predictions, as a server needs it.
 *
 * @param folder an adapter folder or a run folder, diffora's or PEFT's
 * @param options `model`: the base model, where it is loaded already (several adapters can share one) or lies elsewhere
 * @throws DiffoError when adapter and model do not belong together, or a weight is not finite
 * @example
 * await using adapter = await loadAdapter('runs/reviews');
 * const [prediction] = await adapter.predict(['Arrived late, works well']);
 */
export async function loadAdapter(folder: string, options: Omit<AdapterOptions, 'adapter'> = {}): Promise<Adapter> {
  const learned = await openAdapted({ ...options, adapter: folder });
  return adapterOf(learned, options.threads ?? usualThreads);
}
