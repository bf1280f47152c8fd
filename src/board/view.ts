/** What server and page of the board say to each other. Types alone: the page imports them, and nothing else of the server. */

/** `waiting`: in the queue of the board. `stopped`: ended before its end, by someone or with its process. */
export type RunState = 'running' | 'waiting' | 'stopped' | 'failed' | 'done';

/** How far a run is that goes on. */
export interface PhaseView {
  readonly name: string;
  readonly done: number;
  readonly total: number;
}

/** A run as the table has it. */
export interface RunView {
  /** Number of the folder that was given, and the path in it. */
  readonly id: string;
  /** Path as people read it. */
  readonly name: string;
  readonly state: RunState;
  readonly command?: string | undefined;
  readonly task?: string | undefined;
  readonly model?: string | undefined;
  readonly method?: string | undefined;
  readonly select?: string | undefined;
  readonly seed?: number | undefined;
  /** The metric that decides, and its value on what is scored; null where it is not defined. */
  readonly metric?: string | undefined;
  readonly score?: number | null | undefined;
  /** From beginning to end; of a run that goes on so far. */
  readonly seconds?: number | undefined;
  readonly memoryBytes?: number | undefined;
  /** Trained numbers. */
  readonly trainable?: number | undefined;
  /** Milliseconds since 1970 at which it began, or where that is not known was written. */
  readonly time: number;
  readonly phase?: PhaseView | undefined;
  /** Last loss of a run that goes on. */
  readonly loss?: number | null | undefined;
  readonly error?: string | undefined;
  /** It has checkpoints, from which it can go on. */
  readonly isSaved: boolean;
  /** Checkpoints are kept while it goes on. */
  readonly saves: boolean;
  /** Its process is one of this machine, which can be told to stop. */
  readonly canStop: boolean;
  /** Of a job of the board. */
  readonly job?: string | undefined;
  readonly hasAdapter: boolean;
  readonly hasMatrix: boolean;
  /** Nothing of it is left in the folder. */
  readonly isGone: boolean;
}

/** A folder of a comparison. */
export interface ComparisonView {
  readonly id: string;
  readonly name: string;
  /** Lines of its records: trials and runs, and those of them that failed. */
  readonly trials: number;
  readonly runs: number;
  readonly failed: number;
  readonly hasReport: boolean;
  /** Milliseconds since 1970 of its last change. */
  readonly time: number;
}

/** Everything that the overview shows. */
export interface BoardView {
  readonly isReadOnly: boolean;
  readonly version: string;
  /** Folders that are shown, as they were given. */
  readonly folders: readonly string[];
  /** True where there are more runs than are shown. */
  readonly isCut: boolean;
  readonly runs: readonly RunView[];
  readonly comparisons: readonly ComparisonView[];
}

/** Numbers over steps; `y` may lack values, which were not finite. */
export interface SeriesView {
  readonly x: readonly number[];
  readonly y: readonly (number | null)[];
}

/** A Differential Adaptation Matrix after a step of its search. */
export interface FrameView {
  /** Undefined of the matrix that decided. */
  readonly step?: number | undefined;
  /** [layers][modules] */
  readonly values: readonly (readonly number[])[];
  readonly gamma: readonly (readonly number[])[];
}

export interface MatrixView {
  readonly modules: readonly string[];
  /** Names of the rows, where they are not layers of one kind. */
  readonly rows?: readonly string[] | undefined;
  /** 1 where a module stands, [layers][modules]; undefined where every layer has one of each column. */
  readonly there?: readonly (readonly number[])[] | undefined;
  readonly select?: string | undefined;
  /** While it forms, as far as that was written down. */
  readonly frames: readonly FrameView[];
  /** The one that decided. */
  readonly final?: FrameView | undefined;
}

export interface FileView {
  /** In the folder of the run, with `/`. */
  readonly path: string;
  readonly bytes: number;
}

/** All that is shown of one run. */
export interface RunDetail {
  readonly run: RunView;
  /** Curves by name: `loss`, `learningRate`, `gradientNorm`, `tokensPerSecond`, `memory`, `search …`, `score …`. */
  readonly series: Readonly<Record<string, SeriesView>>;
  /** Steps that were planned. */
  readonly totalSteps?: number | undefined;
  readonly matrix?: MatrixView | undefined;
  /** Settings by name. */
  readonly config: Readonly<Record<string, unknown>>;
  readonly scores?: Readonly<Record<string, number | null>> | undefined;
  readonly record?: Readonly<Record<string, unknown>> | undefined;
  /** The command that repeats it. */
  readonly command: string;
  /** The same settings as YAML, without those that are the usual ones. */
  readonly yaml: string;
  /** Lines that the run told, warnings marked. */
  readonly messages: readonly { readonly isWarning: boolean; readonly text: string }[];
  readonly files: readonly FileView[];
}

/** What an event stream tells. */
export type BoardEvent =
  /** Runs and comparisons that are new or have changed, and ids of those that are gone. */
  | {
      readonly type: 'changed';
      readonly runs: readonly RunView[];
      readonly comparisons: readonly ComparisonView[];
      readonly removed: readonly string[];
    }
  /** More of the run that is watched: points of curves, and the newest matrix. */
  | {
      readonly type: 'points';
      readonly id: string;
      readonly series: Readonly<Record<string, SeriesView>>;
      readonly frames: readonly FrameView[];
    }
  /** The run that is watched is to be read anew. */
  | { readonly type: 'reset'; readonly id: string };

/** A setting as a form asks for it. */
export interface SettingView {
  readonly key: string;
  /** Heading that it stands under. */
  readonly group: string;
  readonly flag: string;
  readonly description: string;
  /** `a whole number of at least 1`. */
  readonly takes: string;
  /** `mixed`: a number, or one of `choices`. `object`: names with numbers. */
  readonly type: 'text' | 'number' | 'integer' | 'boolean' | 'choice' | 'choices' | 'names' | 'object' | 'mixed';
  readonly choices?: readonly string[];
  /** What holds where nothing is said. */
  readonly usual?: string | number | boolean;
}

/** What becomes of a form. */
export interface CheckView {
  readonly yaml: string;
  readonly command: string;
  /** What keeps it from being started. */
  readonly fault?: string | undefined;
  /** Settings that nothing would read, with the reason. */
  readonly idle: readonly { readonly key: string; readonly reason: string }[];
}

/** An adapter that can be asked. */
export interface TriedView {
  readonly id: string;
  readonly task: string;
  readonly kind: string;
  readonly labels: readonly string[];
  /** What it is asked: a text, two, a question with its passage, a text to go on from, a conversation. */
  readonly form: 'text' | 'pair' | 'passage' | 'prompt' | 'conversation';
  /** How its task asks for a text, `{text}` being what is asked. */
  readonly prompt?: string | undefined;
  /** Tokens that its task lets an answer have. */
  readonly newTokens?: number | undefined;
  /** Its base can be asked beside it. */
  readonly hasBase: boolean;
}
