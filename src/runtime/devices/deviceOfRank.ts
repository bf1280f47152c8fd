import { nvidiaCards } from './machine.js';

/** Which of the ranks of a machine a process is. */
export interface LocalRank {
  readonly rank: number;
  readonly size: number;
}

/**
 * The device that a rank takes where `cuda` is asked for: ranks of a machine have its NVIDIA cards in turns, the first rank
 * the first card. What else is asked for, `cuda:1` too, is the same for all of them.
 * @param local undefined where there is one process
 */
export async function deviceOfRank<T extends string | undefined>(
  asked: T,
  local: LocalRank | undefined,
  cards = async () => (await nvidiaCards()).length,
): Promise<T | string> {
  if (asked !== 'cuda' || local === undefined || local.size === 1) return asked;
  const card = local.rank % Math.max(1, await cards());
  return card === 0 ? asked : `${asked}:${card}`;
}
