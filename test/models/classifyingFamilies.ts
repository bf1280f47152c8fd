import { readdirSync } from 'node:fs';
import { openCheckpoint } from '../../src/checkpoint/open.js';
import { headsOf } from '../../src/models/registry.js';
import { oraclePath } from '../fixtures.js';

/** Families whose layers follow one another by the code of LLaMA's or BERT's: what holds for these in that holds for them. */
export const layeredAsOthers: ReadonlySet<string> = new Set([
  'electra',
  'gemma2',
  'mistral',
  'olmo2',
  'opt',
  'phi3',
  'qwen2',
  'qwen3',
  'smollm3',
  'starcoder2',
]);

/** Checkpoints of the family oracle whose family has a head for classes, in the order of their names. */
export async function classifyingFamilies(wanted: (name: string) => boolean = () => true): Promise<string[]> {
  const entries = readdirSync(oraclePath('families'), { withFileTypes: true });
  const names = entries.flatMap((entry) => (entry.isDirectory() && wanted(entry.name) ? [entry.name] : []));
  const heads = await Promise.all(
    names.map(async (name) => headsOf(await openCheckpoint(oraclePath('families', name)))),
  );
  return names.filter((_, i) => heads[i]!.includes('SEQ_CLS')).sort();
}
