import type { AdapterPlan, TensorValues } from '../adapters/plan.js';
import type { OpenedModel } from '../models/loading/openedModel.js';
import type { ProgressOptions } from '../reporter.js';

/** What is exported: a model as it is, or with an adapter on it. */
export interface ExportSource {
  /** Folder of the adapter, or name of the model, for messages. */
  readonly name: string;
  readonly opened: OpenedModel;
  /** `noAdapters` for a model as it is. */
  readonly plan: AdapterPlan;
  /** Values of the plan's tensors. */
  readonly values: TensorValues;
}

/** What of it is asked for. */
export interface ExportRequest extends ProgressOptions {
  /** Some of the format's `dtypes`. */
  readonly dtypes: readonly string[];
  /** The adapter alone, to be loaded beside its base. */
  readonly adapterAlone: boolean;
}

/** A file that was written. */
export interface ExportedFile {
  /** Its name in the folder. */
  readonly name: string;
  readonly dtype: string;
  readonly bytes: number;
}

/** A format for other programs: its file exports one of these. */
export interface ExportFormat {
  readonly name: string;
  /** What runs it, as the end of a sentence. */
  readonly runsIn: string;
  /** Numbers that weights may be written in. */
  readonly dtypes: readonly string[];
  /** Those that are written where nothing is said. */
  readonly usualDtypes: readonly string[];
  /** The same for an adapter alone; left out where the format has none. */
  readonly adapterDtypes?: readonly string[];
  /** Files of which an export has one. */
  readonly markers: readonly string[];
  /** Why it cannot be exported, with what would work: a sentence. Reads no weights. */
  refuse(source: ExportSource, request: ExportRequest): Promise<string | undefined>;
  /** Writes into an empty folder. */
  write(folder: string, source: ExportSource, request: ExportRequest): Promise<readonly ExportedFile[]>;
}
