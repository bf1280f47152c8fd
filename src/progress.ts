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

/** Long work that goes on. */
export interface Phase {
  /** `done` units are finished. */
  update(done: number, measures?: Measures): void;
  /** The work is done; its last numbers stay. */
  end(): void;
}
