import { TooSmallError } from '../adapters/tooSmall.js';
import { usageError } from '../errors.js';
import type { There } from './grid.js';

/** Each row keeps its own K entries, the matrix keeps them wherever they are largest, or all rows keep the same columns. */
export const scopes = ['row', 'global', 'column'] as const;
/** These, and that of ways to choose that keep whole rows whatever is asked. */
export const allScopes = [...scopes, 'layer'] as const;
export type Scope = (typeof allScopes)[number];

/** What a measure is held against: a module as it is, or each trainable number of it. */
export const measuresPer = ['module', 'parameter'] as const;
export type MeasurePer = (typeof measuresPer)[number];

/** Γ: 1 where a module is kept, [layers][modules]. */
export type Gamma = readonly (readonly (0 | 1)[])[];

/** How much may be kept. */
export interface Allowance {
  readonly scope: Scope;
  /** Share of the entries, ρ. */
  readonly keep: number;
  /** In the place of the share: most trainable numbers of all kept modules together. */
  readonly budget?: number | undefined;
  /** Trainable numbers of a module, [layers][modules]; for `budget` and `measurePer`. */
  readonly sizes: readonly (readonly number[])[];
  /** Where modules stand, if not everywhere. */
  readonly there?: There | undefined;
  /** Default module. */
  readonly measurePer?: MeasurePer | undefined;
  /** Where ranks are solved for: beside the share, what is kept has to fit at the lowest of them. */
  readonly limit?: ParameterLimit | undefined;
  /** Which entries are kept, where it is not simply the largest: those that are worth their price. */
  readonly choose?: ((values: readonly (readonly number[])[]) => (0 | 1)[][]) | undefined;
}

/** The trainable numbers that a run may have, head apart. */
export interface ParameterLimit {
  readonly parameters: number;
  /** What a run has that keeps Γ, at rank 1: pairs that the rest shares and trained biases included. */
  leastOf(gamma: Gamma): number;
}

/** Entries of the matrix that are kept or left together: one, with scope `column` a whole column, with `layer` a whole row. */
export type Unit = readonly (readonly [layer: number, column: number])[];

/** Entries that a row of N keeps at ratio ρ: K = max(1, round(ρ·N)), halves rounded up. */
export function keptPerRow(ratio: number, columns: number): number {
  if (!(ratio > 0 && ratio <= 1)) throw usageError(`--keep ${ratio} is not a ratio in (0, 1].`);
  return Math.max(1, Math.round(ratio * columns));
}

/**
 * Entries that a matrix keeps at ratio ρ with scope `global`, its rows having so many modules each: as many as the rows keep, L·K of L
 * rows of N. Where ρ·N is below a half, a row keeps one only because it must keep something; a whole matrix must not:
 * max(1, round(ρ·L·N)), down to one.
 */
export function keptInAll(ratio: number, all: readonly number[]): number {
  const counts = all.filter((count) => count > 0);
  const [columns, total] = [Math.max(...counts), counts.reduce((sum, count) => sum + count, 0)];
  if (ratio * columns < 0.5) return keptPerRow(ratio, total);
  return counts.reduce((sum, count) => sum + keptPerRow(ratio, count), 0);
}

/** Modules of each row. */
export function rowCounts(matrix: readonly (readonly unknown[])[], there: There | undefined): number[] {
  return (there ?? matrix).map((row) => (there === undefined ? row.length : row.filter((one) => one === true).length));
}

/**
 * Γ: 1 for the largest entries, 0 for the rest. Ties go to the lower column, then to the lower row. With a budget the
 * largest are taken as long as they fit, and so with a limit; scope `row` goes round the rows, each giving its next
 * largest.
 * @throws DiffoError (usage) as {@link refuseTooSmall}
 */
export function discretise(values: readonly (readonly number[])[], allowance: Allowance): (0 | 1)[][] {
  const worth = worthOf(values, allowance);
  if (allowance.choose !== undefined) return allowance.choose(worth);
  const value = (unit: Unit) => unit.reduce((sum, [layer, column]) => sum + worth[layer]![column]!, 0);
  const descending = units(values, allowance.scope, allowance.there)
    .map((unit) => ({ unit, value: value(unit) }))
    .sort((a, b) => b.value - a.value || before(a.unit, b.unit))
    .map(({ unit }) => unit);
  const inOrder = allowance.scope === 'row' ? roundTheRows(descending) : descending;
  const keeper = startKeeping(values, allowance);
  for (const unit of inOrder) if (keeper.fits(unit)) keeper.keep(unit);
  return keeper.finish();
}

/** What decides: measures, or what they are for each trainable number. */
export function worthOf(
  values: readonly (readonly number[])[],
  { measurePer, sizes, there }: Pick<Allowance, 'measurePer' | 'sizes' | 'there'>,
): readonly (readonly number[])[] {
  if (measurePer !== 'parameter') return values;
  return values.map((row, layer) =>
    row.map((value, column) => (there?.[layer]?.[column] === false ? value : value / sizes[layer]![column]!)),
  );
}

/** Every unit of a matrix, in the order of ties. */
export function units(matrix: readonly (readonly unknown[])[], scope: Scope, there?: There): Unit[] {
  const isThere = ([layer, column]: readonly [number, number]) => there?.[layer]?.[column] !== false;
  if (scope === 'layer') {
    return matrix.map((row, layer) => row.map((_, column) => [layer, column] as const).filter(isThere));
  }
  const columns = matrix[0]?.length ?? 0;
  const ofColumn = (column: number) => matrix.map((_, layer) => [layer, column] as const).filter(isThere);
  return Array.from({ length: columns }, (_, column) =>
    scope === 'column' ? [ofColumn(column)] : ofColumn(column).map((entry) => [entry]),
  ).flat();
}

/** Keeps units one by one within an allowance. */
export interface Keeper {
  fits(unit: Unit): boolean;
  keep(unit: Unit): void;
  /** Γ so far. */
  readonly gamma: (0 | 1)[][];
  /** Γ. @throws DiffoError (usage) as {@link refuseTooSmall} */
  finish(): (0 | 1)[][];
}

export function startKeeping(matrix: readonly (readonly unknown[])[], allowance: Allowance): Keeper {
  const { scope, keep, budget, sizes, limit, there } = allowance;
  const [rows, columns] = [matrix.length, matrix[0]?.length ?? 0];
  const counts = rowCounts(matrix, there);
  const most = {
    row: keptPerRow(keep, columns),
    column: keptPerRow(keep, columns),
    layer: keptPerRow(keep, rows),
    global: keptInAll(keep, counts),
  }[scope];
  const mostOf = (layer: number) => (scope === 'row' ? keptPerRow(keep, counts[layer]!) : most);
  const gamma = matrix.map((row): (0 | 1)[] => row.map(() => 0));
  const count = (row: readonly number[]) => row.reduce((sum, one) => sum + one, 0);
  const sizeOf = (unit: Unit) => unit.reduce((sum, [layer, column]) => sum + sizes[layer]![column]!, 0);
  let spent = 0;
  const isWithinShare = (unit: Unit) => {
    if (budget !== undefined) return spent + sizeOf(unit) <= budget;
    if (scope === 'global') return gamma.reduce((sum, row) => sum + count(row), 0) < most;
    if (scope === 'layer') return gamma.filter((row) => row.includes(1)).length < most;
    return unit.every(([layer]) => count(gamma[layer]!) < mostOf(layer));
  };
  return {
    gamma,
    fits(unit) {
      if (unit.some(([layer, column]) => gamma[layer]![column] === 1)) return false;
      return isWithinShare(unit) && (limit === undefined || limit.leastOf(withUnit(gamma, unit)) <= limit.parameters);
    },
    keep(unit) {
      spent += budget === undefined ? 0 : sizeOf(unit);
      for (const [layer, column] of unit) gamma[layer]![column] = 1;
    },
    finish() {
      if (gamma.every((row) => !row.includes(1))) refuseTooSmall(allowance);
      return gamma;
    },
  };
}

/** @throws DiffoError (usage) for a budget or a limit that holds not even the smallest of what is kept or left together */
export function refuseTooSmall({ scope, budget, sizes, limit, there }: Omit<Allowance, 'keep'>): void {
  const what = { row: 'module', global: 'module', column: 'column of modules', layer: 'layer of modules' }[scope];
  const all = units(sizes, scope, there);
  if (limit !== undefined) {
    const none = sizes.map((row) => row.map((): 0 => 0));
    const smallest = Math.min(...all.map((unit) => limit.leastOf(withUnit(none, unit))));
    if (limit.parameters >= smallest) return;
    throw new TooSmallError(
      `--parameters ${limit.parameters} holds no module: the smallest ${what} takes ${smallest} trainable numbers at rank 1. Give ${smallest} or more.`,
    );
  }
  if (budget === undefined) return;
  const sizeOf = (unit: Unit) => unit.reduce((sum, [layer, column]) => sum + sizes[layer]![column]!, 0);
  const smallest = Math.min(...all.map(sizeOf));
  if (budget >= smallest) return;
  throw usageError(
    `--budget ${budget} holds no module: the smallest ${what} has ${smallest} trainable numbers. Raise --budget, or lower --rank.`,
  );
}

function withUnit(gamma: Gamma, unit: Unit): (0 | 1)[][] {
  const changed = gamma.map((row) => [...row]);
  for (const [layer, column] of unit) changed[layer]![column] = 1;
  return changed;
}

/** The lower column comes first, then the lower row. */
export function before(a: Unit, b: Unit): number {
  const [[rowA, columnA], [rowB, columnB]] = [a[0]!, b[0]!];
  return columnA - columnB || rowA - rowB;
}

/** The largest of every row, then the second of every row, and so on. */
function roundTheRows(descending: readonly Unit[]): Unit[] {
  const seen = new Map<number, number>();
  return descending
    .map((unit) => {
      const row = unit[0]![0];
      const round = seen.get(row) ?? 0;
      seen.set(row, round + 1);
      return { unit, round };
    })
    .sort((a, b) => a.round - b.round)
    .map(({ unit }) => unit);
}
