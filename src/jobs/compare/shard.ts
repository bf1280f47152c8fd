import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { fileError } from '../../files/errors.js';

/** One of several processes that share a comparison: its number, from 1, and how many there are. */
export interface Shard {
  readonly index: number;
  readonly count: number;
}

/** Whether a cell is one of a shard's, by its place in the tables: methods that take long are spread over all of them. */
export function isCellOf({ index, count }: Shard): (cell: number) => boolean {
  return (cell) => cell % count === index - 1;
}

/**
 * Files of records in the folder of a comparison. A shard has one of its own, since lines that several machines add to one
 * file would run into each other; all of them are read.
 */
export async function recordFiles(
  output: string,
  shard: Shard | undefined,
): Promise<{ readonly own: string; readonly all: readonly string[] }> {
  const name = shard === undefined ? 'records.jsonl' : `records-${shard.index}-of-${shard.count}.jsonl`;
  const names = await readdir(output).catch((error) => Promise.reject(fileError(error, output, 'read')));
  const found = names.filter((one) => /^records(-\d+-of-\d+)?\.jsonl$/.test(one)).sort();
  return { own: join(output, name), all: found.map((one) => join(output, one)) };
}
