import { permutation, randomStream } from '../random.js';

/** Anything with a label: an Example or an EncodedExample. */
export interface Labelled {
  readonly label?: number | undefined;
}

/** Scores close to each other that make one stratum, where labels are not whole numbers. */
const BIN_SIZE = 20;

/**
 * Cuts `items` into two disjoint halves that together are all of them, alike in labels: of each class (of each group
 * of some 20 neighbouring scores in regression) the halves have the same number or differ by one. Order within a half
 * is that of `items`.
 * The bi-level search trains on one and validates on the other.
 */
export function splitHalves<T extends Labelled>(items: readonly T[], seed: number): { first: T[]; second: T[] } {
  const inFirst = new Uint8Array(items.length);
  let turn = 0;
  for (const [key, positions] of strata(items)) {
    const order = permutation(positions.length, randomStream(seed, 'halves', key));
    for (const i of order) inFirst[positions[i]!] = ++turn % 2;
  }
  return { first: items.filter((_, i) => inFirst[i] === 1), second: items.filter((_, i) => inFirst[i] === 0) };
}

/**
 * `count` of the items (all, where there are no more), with the shares of the labels kept: largest remainders, ties to
 * the lower label. Order is that of `items`.
 */
export function subsample<T extends Labelled>(items: readonly T[], count: number, seed: number): T[] {
  if (count >= items.length) return [...items];
  const groups = strata(items);
  const quotas = groups.map(([key, positions], group) => {
    const exact = (positions.length * count) / items.length;
    return { key, positions, group, take: Math.floor(exact), remainder: exact - Math.floor(exact) };
  });
  const byRemainder = [...quotas].sort((a, b) => b.remainder - a.remainder || a.group - b.group);
  const missing = count - quotas.reduce((sum, quota) => sum + quota.take, 0);
  for (const quota of byRemainder.slice(0, missing)) quota.take++;
  const taken = new Set<number>();
  for (const { key, positions, take } of quotas) {
    const order = permutation(positions.length, randomStream(seed, 'subsample', key));
    for (const i of order.subarray(0, take)) taken.add(positions[i]!);
  }
  return items.filter((_, i) => taken.has(i));
}

/**
 * Takes a share of each class away: `round(share · n)` of its items, but at least one, and never all of them.
 * Used to hold out a validation part where the data has none.
 */
export function holdOut<T extends Labelled>(
  items: readonly T[],
  share: number,
  seed: number,
): { kept: T[]; heldOut: T[] } {
  const out = new Set<number>();
  for (const [key, positions] of strata(items)) {
    const order = permutation(positions.length, randomStream(seed, 'hold out', key));
    const take = Math.min(positions.length - 1, Math.max(1, Math.round(share * positions.length)));
    for (const i of order.subarray(0, take)) out.add(positions[i]!);
  }
  return { kept: items.filter((_, i) => !out.has(i)), heldOut: items.filter((_, i) => out.has(i)) };
}

/** Positions of the items by class, ascending; by bins of neighbouring scores where labels are not whole numbers. */
function strata(items: readonly Labelled[]): [key: string, positions: number[]][] {
  const groups = new Map<number, number[]>();
  const label = (position: number) => items[position]!.label ?? 0;
  for (const position of items.keys()) {
    const group = groups.get(label(position));
    if (group) group.push(position);
    else groups.set(label(position), [position]);
  }
  if ([...groups.keys()].every(Number.isInteger)) {
    return [...groups].sort(([a], [b]) => a - b).map(([key, positions]) => [`label ${key}`, positions]);
  }
  const sorted = [...items.keys()].sort((a, b) => label(a) - label(b) || a - b);
  const bins = Math.max(1, Math.floor(sorted.length / BIN_SIZE));
  return Array.from({ length: bins }, (_, bin) => [
    `bin ${bin}`,
    sorted.slice(Math.floor((bin * sorted.length) / bins), Math.floor(((bin + 1) * sorted.length) / bins)),
  ]);
}
