import { type HeatRange, heatRange, presentValues } from '../selection/heatColor.js';
import { shortModuleNames } from './moduleNames.js';

/** A matrix, or one while it forms: what of dam.json says where modules stand and which are kept. */
export interface ShownMatrix {
  /** Names of the columns. */
  readonly modules: readonly string[];
  /** [layers][modules] */
  readonly values: readonly (readonly number[])[];
  readonly gamma: readonly (readonly number[])[];
  /** Names of the rows, where they are not layers of one kind. */
  readonly rows?: readonly string[] | undefined;
  /** 1 where a module stands; left out, every layer has one of each column. */
  readonly there?: readonly (readonly number[])[] | undefined;
}

/** A module in a matrix. */
export interface MatrixCell {
  readonly layer: number;
  readonly column: number;
  readonly value: number;
  readonly isKept: boolean;
  /** `layer 0, attention.self.query` */
  readonly name: string;
}

/** A matrix cell by cell, for whoever draws it. */
export interface MatrixCells {
  /** `layer 0`, or what the row is called. */
  readonly rowNames: readonly string[];
  /** Short, each different. */
  readonly columnNames: readonly string[];
  /** [layers][modules]; undefined where no module stands. */
  readonly cells: readonly (readonly (MatrixCell | undefined)[])[];
  readonly range: HeatRange;
  /** Modules that are kept, and all of them. */
  readonly kept: number;
  readonly all: number;
}

export function matrixCells({ modules, values, gamma, rows, there }: ShownMatrix): MatrixCells {
  const rowNames = values.map((_, layer) => rows?.[layer] ?? `layer ${layer}`);
  const cells = values.map((row, layer) =>
    row.map((value, column): MatrixCell | undefined => {
      if (there?.[layer]?.[column] === 0) return undefined;
      const isKept = gamma[layer]![column] === 1;
      return { layer, column, value, isKept, name: `${rowNames[layer]}, ${modules[column]}` };
    }),
  );
  const standing = cells.flat().filter((one) => one !== undefined);
  return {
    rowNames,
    columnNames: shortModuleNames(modules),
    cells,
    range: heatRange(presentValues({ values, there })),
    kept: standing.filter(({ isKept }) => isKept).length,
    all: standing.length,
  };
}

/** Where a value lies in a range, 0 to 1. */
export function shareOf(value: number, { low, high }: HeatRange): number {
  return high > low ? (value - low) / (high - low) : 0.5;
}
