import type { ProgressOptions } from '../reporter.js';
import type { Adapted } from '../tasks/kinds/kind.js';
import type { ExportSource } from './source.js';

/** A format that models are exported in, for other programs. */
export interface ExportFormat {
  readonly name: string;
  /** What runs it, in a line. */
  readonly description: string;
  /** What the hub calls the library that runs it. */
  readonly library: string;
  /** How a person begins with a folder of it, as Markdown. @param pipeline what the model does, in transformers' words */
  use(pipeline: string, files: readonly ExportedFile[]): string;
  /** Widths of weights that it knows, and those that are written where none are named. */
  readonly dtypes: readonly string[];
  readonly usual: readonly string[];
  /** The same for an adapter alone, the usual one first; left out where the format has no such file. */
  readonly adapterDtypes?: readonly string[];
  /** Files of which an exported folder has one. */
  readonly markers: readonly string[];
  /** Why it cannot be exported, with what would work, as sentences; undefined where it can. Reads no weights. */
  refuse(source: ExportSource, request: ExportRequest): Promise<string | undefined>;
  /** What a person should know of how clients read the files, as sentences. */
  notes(source: ExportSource): readonly string[];
  /** Writes the files of every dtype into an empty folder. */
  write(source: ExportSource, folder: string, request: ExportRequest): Promise<readonly ExportedFile[]>;
  /** Opens a written file in the place of what it was made of, for as long as `use` takes: to be scored. */
  useFile<T>(
    source: ExportSource,
    file: string,
    use: (adapted: Adapted) => Promise<T>,
    options: Pick<ProgressOptions, 'signal'>,
  ): Promise<T>;
}

/** What of a source is asked for. */
export interface ExportRequest extends ProgressOptions {
  /** Some of the format's dtypes. */
  readonly dtypes: readonly string[];
  /** The adapter alone, to be loaded beside its base. */
  readonly adapterAlone: boolean;
}

/** A file of weights. */
export interface ExportedFile {
  readonly dtype: string;
  /** Path below the folder. */
  readonly file: string;
  /** With what lies beside it for its size. */
  readonly bytes: number;
}
