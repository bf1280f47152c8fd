/** What was worked on since a phase began or, from a checkpoint, went on. */
export interface Work {
  /** Sequences that a model has read: an example, or a window of a long passage. */
  readonly examples: number;
  /** Tokens in them by the attention mask, so that padding does not count; of texts that are written, those written. */
  readonly tokens: number;
}

/** What long work says of itself beside how far it is. */
export interface Measures extends Partial<Work> {
  /** Of the last step of training; null where the step was left out. */
  readonly loss?: number | null;
  /** Of the last step of a search, on the half that the matrix learns on; null where it was not finite. */
  readonly validationLoss?: number | null;
  /** Of the relaxed matrix: 1 undecided to 0 binary. */
  readonly entropy?: number;
  /** What goes on at this moment in other processes: the runs of a comparison. */
  readonly running?: readonly RunningWork[];
}

/** Work in another process; what it does at the moment, once it has said so. */
export interface RunningWork extends Omit<Measures, 'running'> {
  readonly name: string;
  readonly phase?: string;
  readonly done?: number;
  readonly total?: number;
}

/** A step of training, as metrics.jsonl has it. */
export interface SteppedTraining {
  readonly step: number;
  readonly totalSteps: number;
  /** Null where the step was left out. */
  readonly loss: number | null;
  readonly learningRate: number;
  /** Before clipping. */
  readonly gradientNorm: number | null;
  readonly skipped?: true | undefined;
}

/** A step of a search, as dam.json has it. */
export interface SteppedSearch {
  readonly step: number;
  readonly validationLoss: number | null;
  readonly trainLoss: number | null;
  readonly entropy: number;
  readonly spread: number;
  readonly skipped?: true | undefined;
}

/** A Differential Adaptation Matrix while it forms, or as it was chosen: a row a layer, a column a module of a layer. */
export interface MatrixFrame {
  /** Names of the columns. */
  readonly modules: readonly string[];
  /** Γ̄, or the measure of each module, [layers][modules]. */
  readonly values: readonly (readonly number[])[];
  /** Γ: 1 where the module would be kept, [layers][modules]. */
  readonly gamma: readonly (readonly number[])[];
  /** Names of the rows, where they are not layers of one kind: those of the encoder and then of the decoder. */
  readonly rows?: readonly string[] | undefined;
  /** 1 where a module stands, [layers][modules]; left out, every layer has one of each column. */
  readonly there?: readonly (readonly number[])[] | undefined;
}

/** Long work that goes on. */
export interface Phase {
  /** `done` units are finished. */
  update(done: number, measures?: Measures): void;
  /** The work is done; its last numbers stay. */
  end(): void;
}
