import type { AdaptableModule, Model } from '../models/model.js';

/** The part of a model that its matrix is about. */
export type GridModel = Pick<Model, 'adaptable' | 'modules' | 'layers'>;
type Place = Pick<AdaptableModule, 'layer' | 'module'>;

/** True where a module stands, [layers][columns]. */
export type There = readonly (readonly boolean[])[];

/** Where the modules of a model stand in its matrix: a row for each layer, a column for each module of a layer. */
export interface Grid {
  readonly layers: number;
  readonly columns: number;
  /** Entries: layers · columns, those included that no module stands at. */
  readonly length: number;
  /**
   * Where modules stand, [layers][columns]; undefined where every layer has one of each column. The decoder of an encoder-decoder has
   * modules that its encoder has none of.
   */
  readonly there: There | undefined;
  cell(module: Place): readonly [layer: number, column: number];
  /** Position in the flat matrix, row after row. */
  index(module: Place): number;
  /** The entry of a module. */
  at<T>(matrix: readonly (readonly T[])[], module: Place): T;
  /** Values in the order of `model.adaptable` as [layers][columns]; 0 where no module stands. */
  matrix(values: ArrayLike<number>): number[][];
  /** A flat matrix as [layers][columns]. */
  rows(flat: ArrayLike<number>): number[][];
  /** One value everywhere, [layers][columns]. */
  filled<T>(value: T): T[][];
}

/** The grid of a model's matrix. */
export function gridOf({ layers, modules, adaptable }: GridModel): Grid {
  const columns = modules.length;
  const columnOf = new Map(modules.map((module, column) => [module, column]));
  const cell = ({ layer, module }: Place) => {
    const column = columnOf.get(module);
    if (column === undefined) throw new Error(`${module} is no column of the matrix (${modules.join(', ')})`);
    return [layer, column] as const;
  };
  const filled = <T>(value: T) => Array.from({ length: layers }, () => new Array<T>(columns).fill(value));
  const there = filled(false);
  for (const module of adaptable) {
    const [layer, column] = cell(module);
    there[layer]![column] = true;
  }
  return {
    layers,
    columns,
    length: layers * columns,
    there: adaptable.length === layers * columns ? undefined : there,
    cell,
    index(module) {
      const [layer, column] = cell(module);
      return layer * columns + column;
    },
    at(matrix, module) {
      const [layer, column] = cell(module);
      return matrix[layer]![column]!;
    },
    matrix(values) {
      const matrix = filled(0);
      for (const [i, module] of adaptable.entries()) {
        const [layer, column] = cell(module);
        matrix[layer]![column] = values[i]!;
      }
      return matrix;
    },
    rows: (flat) =>
      Array.from({ length: layers }, (_, layer) =>
        Array.from({ length: columns }, (__, column) => flat[layer * columns + column]!),
      ),
    filled,
  };
}
