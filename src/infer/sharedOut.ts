import type { Ranks } from '../mpi/ranks.js';

/** How a model is run: its threads, and the ranks that share what it is run on. */
export interface Computing {
  readonly threads: number;
  /** Left out, this process does all. */
  readonly ranks?: Ranks | undefined;
}

/** Whether a rank takes an item, of which each takes one after the other. */
export function isOwn(item: number, ranks: Ranks | undefined): boolean {
  return ranks === undefined || item % ranks.size === ranks.rank;
}

/** What is made of each item, in their order: those of this rank by `make`, the others by the others. */
export async function sharedOut<Item, Made>(
  items: readonly Item[],
  ranks: Ranks | undefined,
  make: (item: Item, index: number) => Promise<Made>,
): Promise<Made[]> {
  const made: Made[] = [];
  for (const [i, item] of items.entries()) if (isOwn(i, ranks)) made.push(await make(item, i));
  if (ranks === undefined) return made;
  const all = await ranks.gather(new TextEncoder().encode(JSON.stringify(made)));
  const each = all.map((bytes) => JSON.parse(new TextDecoder().decode(bytes)) as Made[]);
  return items.map((_, i) => each[i % ranks.size]![Math.floor(i / ranks.size)]!);
}
