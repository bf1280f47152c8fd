import type { AdapterPlan } from '../../adapters/plan.js';
import type { Example } from '../../data/types.js';
import type { EncodedExample } from '../../engine/batch.js';
import type { Objective } from '../../engine/objective.js';
import type { Parameter } from '../../engine/parameters.js';
import type { Scores } from '../../metrics/scores.js';
import type { OpenedModel } from '../../models/loading/openedModel.js';
import type { TaskType } from '../../models/model.js';
import type { Task } from '../task.js';
import type { LossOptions } from './label.js';

/** What of a task is needed to run it, also where no data are at hand. */
export type TaskAsked = Pick<Task, 'name' | 'kind' | 'labels' | 'metrics' | 'generation'>;

export interface EncodeOptions {
  readonly maxLength: number;
  /** Span tasks: tokens that neighbouring windows of a long passage share. */
  readonly stride?: number | undefined;
  readonly warn: (message: string) => void;
  readonly signal?: AbortSignal | undefined;
}

/** A model with what was trained on it. */
export interface Adapted {
  readonly opened: OpenedModel;
  readonly plan: AdapterPlan;
  readonly parameters: readonly Parameter[];
}

export interface ScoreOptions {
  readonly threads: number;
  readonly signal?: AbortSignal | undefined;
  /** Called with the number of examples that are done, and of tokens that were read or written for them, padding not counted. */
  readonly onDone?: ((done: number, tokens: number) => void) | undefined;
  /** Span tasks that know no answer: how much likelier than the best span it may be. Default 0. */
  readonly nullScoreDiffThreshold?: number | undefined;
}

export interface AnswerOptions extends EncodeOptions, Omit<ScoreOptions, 'threads'> {}

/** A model with an adapter, compiled to answer. Calls may overlap. */
export interface Answerer {
  /** An answer for each example, in order. */
  answer(task: TaskAsked, examples: readonly Example[], options: AnswerOptions): Promise<Prediction[]>;
  /** Frees the memory; nothing can be answered afterwards. */
  release(): Promise<void>;
}

/** Scores examples that are encoded already, under whatever parameters. */
export type Scorer = (adapted: Adapted, options: ScoreOptions) => Promise<Scored>;

export interface Scored {
  readonly scores: Scores;
  /** Class or score of each example, where that is what the metrics read. */
  readonly predicted?: Int32Array | Float32Array;
  /** Else what each example adds to the first metric: the sums decide it (src/metrics/text/sums.ts). */
  readonly statistics?: readonly (readonly number[])[];
  /** What a person should know of the scores. */
  readonly note?: string;
}

/** A class or a score. */
export interface LabelPrediction {
  /** Name of the likeliest class, or the predicted score as text-free number for regression. */
  readonly label: string | number;
  /** Probability of that class (softmax), or the predicted score. */
  readonly score: number;
  readonly logits: readonly number[];
}

/** A part of the passage; the empty text, at 0, where it is likelier that the passage does not say. */
export interface SpanPrediction {
  readonly answer: string;
  /** Where it lies in the passage, in UTF-16 units. */
  readonly start: number;
  readonly end: number;
  /** Logit of its first token as a start plus that of its last as an end. */
  readonly score: number;
  /** The same of "the passage does not say". */
  readonly noAnswerScore: number;
}

/** A written text. */
export interface WrittenPrediction {
  readonly text: string;
  /** What of it counts as the answer, where the task says how to find that. */
  readonly answer?: string | undefined;
}

/** An answer, by the kind of task. */
export type Prediction = LabelPrediction | SpanPrediction | WrittenPrediction;

/** A kind of task: the head it needs, how examples become sequences, how they are scored and answered. */
export interface KindRules {
  readonly taskType: TaskType;
  /** Outputs of the head. */
  outputs(task: Pick<Task, 'labels'>): number;
  /** What is learned. @param loss changes of it, for classes */
  objective(loss?: LossOptions): Objective;
  /** Sequences to learn from. */
  encode(
    opened: OpenedModel,
    task: TaskAsked,
    examples: readonly Example[],
    options: EncodeOptions,
  ): Promise<EncodedExample[]>;
  /**
   * The task's metrics on labelled examples, which are encoded once for however many scorings.
   * @throws DiffoError for an example without a label
   */
  scorer(opened: OpenedModel, task: TaskAsked, examples: readonly Example[], options: EncodeOptions): Promise<Scorer>;
  /** Compiles what answers, for however many calls. */
  answerer(adapted: Adapted, options: { readonly threads: number }): Promise<Answerer>;
}
