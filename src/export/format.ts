import type { Model } from '../models/model.js';
import type { ExportSource } from './source.js';

/** A format that models are exported in. */
export interface ExportFormat {
  readonly name: string;
  /** What it is for, in a line. */
  readonly description: string;
  /** Widths of weights that it knows, and those that are written where none are named. */
  readonly dtypes: readonly string[];
  readonly usual: readonly string[];
  /** Why a model cannot be exported, with what would work, as a sentence; undefined where it can. */
  refuse(source: ExportSource): string | undefined;
  /** What a person should know of how clients read the files, as sentences. */
  notes(source: ExportSource): readonly string[];
  /** Writes the files of every dtype into a folder. */
  write(source: ExportSource, folder: string, options: WriteOptions): Promise<ExportedFile[]>;
  /** The model with a written file in the place of its graph, to be scored; undefined where a file cannot be. */
  withFile?(model: Model, file: string): Model | undefined;
}

export interface WriteOptions {
  readonly dtypes: readonly string[];
  readonly signal?: AbortSignal | undefined;
  /** Called with the number of files that are done. */
  readonly onFile?: ((done: number) => void) | undefined;
}

/** A file of weights. */
export interface ExportedFile {
  readonly dtype: string;
  /** Path below the folder. */
  readonly file: string;
  /** With what lies beside it for its size. */
  readonly bytes: number;
}
