import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { DiffoError } from '../errors.js';
import { readJsonObject } from '../files/json.js';
import type { SafetensorsHeader } from './safetensorsHeader.js';
import type { StoredTensor } from './types.js';
import { weightMap } from './weightFiles.js';

/** What shards hold, and what is to be said of how they fit their index. */
export interface Shards extends SafetensorsHeader {
  readonly notes: readonly string[];
}

/**
 * Reads the shards that an index names. As in transformers the index says which files there are, and the files say
 * which tensors: one that the index alone names is told of, and missed only where the model needs it.
 * @throws DiffoError for shards that are not there, and for a tensor that two of them hold
 */
export async function readShards(
  folder: string,
  index: string,
  read: (path: string) => Promise<SafetensorsHeader>,
): Promise<Shards> {
  const indexPath = join(folder, index);
  const shardOf = weightMap(await readJsonObject(indexPath), indexPath);
  const shards = [...new Set(shardOf.values())].sort();
  await refuseMissing(folder, index, shards);
  const tensors = new Map<string, StoredTensor>();
  const foundIn = new Map<string, string>();
  let metadata: Readonly<Record<string, string>> = {};
  for (const shard of shards) {
    const header = await read(join(folder, shard));
    metadata = { ...header.metadata, ...metadata };
    for (const [name, tensor] of header.tensors) {
      const other = foundIn.get(name);
      if (other !== undefined) {
        throw new DiffoError(
          `${folder}: ${other} and ${shard} both hold the tensor "${name}". Download the model again.`,
        );
      }
      foundIn.set(name, shard);
      tensors.set(name, tensor);
    }
  }
  return { tensors, metadata, notes: notesOn(index, shardOf, foundIn) };
}

async function refuseMissing(folder: string, index: string, shards: readonly string[]): Promise<void> {
  const there = new Set(await readdir(folder));
  const missing = shards.filter((shard) => !there.has(shard));
  if (missing.length === 0) return;
  const which = missing.length === 1 ? `the shard ${missing[0]} is` : `${missing.length} shards are`;
  const names = missing.length === 1 ? '' : ` (${missing.slice(0, 5).join(', ')}${missing.length > 5 ? ', …' : ''})`;
  throw new DiffoError(
    `${folder}: ${which} not there${names}, of the ${shards.length} that ${index} names. Download the model again.`,
  );
}

function notesOn(index: string, shardOf: ReadonlyMap<string, string>, foundIn: ReadonlyMap<string, string>): string[] {
  const absent = [...shardOf].filter(([name]) => !foundIn.has(name));
  const elsewhere = [...foundIn].filter(([name, shard]) => shardOf.get(name) !== shard);
  const example = (entries: readonly [string, string][]) =>
    entries
      .map(([name, shard]) => `${name} in ${shard}`)
      .slice(0, 3)
      .join(', ') + (entries.length > 3 ? ', …' : '');
  return [
    ...(absent.length === 0
      ? []
      : [`${index} names ${absent.length} tensors that no shard holds: ${example(absent)}.`]),
    ...(elsewhere.length === 0
      ? []
      : [`${elsewhere.length} tensors lie where ${index} does not place them: ${example(elsewhere)}.`]),
  ];
}
