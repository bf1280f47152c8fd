import type { CardUse } from '../../adapters/card.js';
import type { AdapterPlan } from '../../adapters/plan.js';
import type { Row, Table } from '../../data/readers/table.js';
import type { Example } from '../../data/types.js';
import type { EncodedExample } from '../../engine/batch.js';
import type { Objective } from '../../engine/objective.js';
import type { Parameter } from '../../engine/parameters.js';
import type { Computing } from '../../infer/sharedOut.js';
import type { MetricName } from '../../metrics/names.js';
import type { Scores } from '../../metrics/scores.js';
import type { OpenedModel } from '../../models/loading/withHead.js';
import type { Model, TaskType } from '../../models/model.js';
import type { Pooling } from '../../models/pooling.js';
import type { Reporter } from '../../reporter.js';
import type { Keep } from '../../state.js';
import type { Tokenizer } from '../../tokenize/index.js';
import type { TrainOn } from '../chat/chatFormat.js';
import type { OwnKeys } from '../ownKeys.js';
import type { PreferenceLossName } from '../preference/losses.js';
import type { Columns, LearnedTask, Task, TaskShape } from '../task.js';
import type { OwnHead } from './ownHead.js';
import type { OutputsAre } from './savedLabels.js';

/** What of a task is needed to run it, also where no data are at hand. */
export type TaskAsked = Omit<LearnedTask, 'columns' | 'maxLength'>;

/** What a task file may say beside data, columns, kind and metrics. A kind's own file adds what only it has. */
export interface KindTerms {
  /** Names of the classes, by index, where a task has classes. */
  readonly labels?: readonly string[] | undefined;
  /** The loss by its name, of those that the kind has; left out, as the rows ask. */
  readonly loss?: LossName | undefined;
  /** Columns of hard negatives; left out, those that are called so. */
  readonly negatives?: readonly string[] | undefined;
}

/** Names of losses, by what they are of; a kind's own file adds those that it has. */
// biome-ignore lint/suspicious/noEmptyInterface: the files of kinds add to it.
export interface LossNames {}
/** Name of a loss, of whatever kind of task. */
export type LossName = LossNames[keyof LossNames];

/** Answers by what they are; a kind's own file adds what it gives. */
export interface Predictions {
  readonly label: LabelPrediction;
}
/** An answer, by the kind of task. */
export type Prediction = Predictions[keyof Predictions];

/** A class or a score. */
export interface LabelPrediction {
  /** Name of the likeliest class, or the predicted score as text-free number for regression. */
  readonly label: string | number;
  /** Probability of that class (softmax), or the predicted score. */
  readonly score: number;
  readonly logits: readonly number[];
}

export interface EncodeOptions {
  readonly maxLength: number;
  /** Answers in passages: tokens that neighbouring windows of a long passage share. */
  readonly stride?: number | undefined;
  readonly warn: (message: string) => void;
  readonly signal?: AbortSignal | undefined;
  /** Where a model has to read the sequences first. Default: all that the machine has. */
  readonly threads?: number | undefined;
  /** What is computed so is kept for when the run is resumed; left out, it is computed. */
  readonly keep?: Keep | undefined;
  /** Tells of such work. */
  readonly phase?: Reporter['phase'] | undefined;
}

/** A model with what was trained on it. */
export interface Adapted {
  readonly opened: OpenedModel;
  readonly plan: AdapterPlan;
  readonly parameters: readonly Parameter[];
}

export interface ScoreOptions {
  readonly signal?: AbortSignal | undefined;
  /** Called with the number of examples that are done, and of tokens that were read or written for them, padding not counted. */
  readonly onDone?: ((done: number, tokens: number) => void) | undefined;
  /** Answers in passages that may not say: how much likelier than the best span no answer may be. Default 0. */
  readonly nullScoreDiffThreshold?: number | undefined;
}

export interface AnswerOptions extends EncodeOptions, ScoreOptions {}

/** A model with an adapter, compiled to answer. Calls may overlap. */
export interface Answerer {
  /** An answer for each example, in order. */
  answer(task: TaskAsked, examples: readonly Example[], options: AnswerOptions): Promise<Prediction[]>;
  /** Frees the memory; nothing can be answered afterwards. */
  release(): Promise<void>;
}

/** Examples, encoded to be scored under whatever model. */
export interface Scorer {
  /** Compiles a model with its adapter, for however many scorings. */
  open(adapted: Adapted, options: Computing): Promise<OpenScorer>;
}

/** Examples and a compiled model. */
export interface OpenScorer {
  /** Scores the examples under the parameters as they are now. */
  score(options: ScoreOptions): Promise<Scored>;
  /** Frees the memory; nothing can be scored afterwards. */
  release(): Promise<void>;
}

export interface Scored {
  readonly scores: Scores;
  /** Class or score of each example, where that is what the metrics read. */
  readonly predicted?: Int32Array | Float32Array;
  /** Else what each example adds to the first metric: the sums decide it (src/metrics/text/sums.ts). */
  readonly statistics?: readonly (readonly number[])[];
  /** What a person should know of the scores. */
  readonly note?: string;
  /** Why some of them tell nothing. */
  readonly warnings?: readonly string[];
  /** What the scoring found of the task where it had yet to be found: the adapter keeps it. */
  readonly found?: KindFacts;
}

/** Names that the columns of a table usually have, the first being meant where none is there. */
export interface UsualColumns {
  readonly text: readonly string[];
  readonly pair: readonly string[];
  readonly label: readonly string[];
  /** Names of a text and its label that go together: the first pair that a table has both of goes before the others. */
  readonly together?: readonly (readonly [text: string, label: string])[];
  /** What the column `pair` holds, where a task cannot be without it. */
  readonly pairIs?: string;
  /** Rows go about in other forms too, so that a table may be recognised that has none of these columns. */
  readonly inOtherForms?: true;
}

/** Metrics of tasks of one's own. */
export interface KindMetrics {
  /** Reported where the task file names none. */
  readonly usual: readonly MetricName[];
  readonly further?: readonly MetricName[];
  /** Those of them that a run or an evaluation may ask for by name though its task does not list them. */
  readonly onRequest?: readonly MetricName[];
  /** What a task that has them is called, where not by its kind. */
  readonly of?: string;
}

/** Changes of the loss that a run asks for. */
export interface LossSettings {
  /** ε: share of a target that is spread over all classes (arXiv 1512.00567, section 7). */
  readonly labelSmoothing: number;
  /** Weights of the examples of each class by name, or n / (C · n_c) as scikit-learn has it. */
  readonly classWeights?: 'balanced' | Readonly<Record<string, number>> | undefined;
}

/** What a loss with changes is resolved by. */
export interface LossContext {
  readonly settings: LossSettings;
  readonly task: Pick<Task, 'name' | 'labels'>;
  /** The training examples. */
  readonly examples: readonly EncodedExample[];
}

/** Settings of a run that only tasks of some kinds read. */
export const kindSettings = [
  'stride',
  'nullScoreDiffThreshold',
  'labelSmoothing',
  'classWeights',
  'head',
  'headLr',
  'headWeightDecay',
  'trainOn',
  'chatTemplate',
  'prefix',
  'maxTargetLength',
  'loss',
  'beta',
  'simpoGamma',
  'desirableWeight',
  'undesirableWeight',
] as const;

/** Settings of a run that a task keeps as facts. */
export interface FactSettings {
  /** Chats: whose turns are learned. */
  readonly trainOn: TrainOn;
  /** Chats: name or file of a template in the place of the model's own. */
  readonly chatTemplate?: string | undefined;
  /** Texts that are written anew: what stands before every text that is read. */
  readonly prefix?: string | undefined;
  /** Texts that are written anew: the longest in tokens. */
  readonly maxTargetLength?: number | undefined;
  /** Preferences: the loss, by TRL's name. */
  readonly loss?: PreferenceLossName | undefined;
  /** Preferences: how much a change of log-likelihood counts as reward. */
  readonly beta?: number | undefined;
  /** Preferences, SimPO: by how much the chosen answer is to be worth more. */
  readonly simpoGamma?: number | undefined;
  /** Preferences, KTO: what the loss of a good answer counts, and that of a bad one. */
  readonly desirableWeight?: number | undefined;
  readonly undesirableWeight?: number | undefined;
}
/** Name of a setting that only tasks of some kinds read. */
export type KindSetting = (typeof kindSettings)[number];

/** Those of a kind that learns a head of its own on the model. */
export const headSettings = ['head', 'headLr', 'headWeightDecay'] as const satisfies readonly KindSetting[];

/**
 * A kind of task: all that tells tasks of one kind from those of another. It is passed as an object; its name stands in
 * files alone (`kind:` in a task file, `kind` in task.json).
 */
export interface Kind<Answer extends Prediction = Prediction> {
  readonly name: string;
  /** Files and events tell a kind by its name. @internal */
  toJSON(): string;

  // How a task is described

  /** Where its columns have names of their own; left out: those of a text, its pair and its label. @internal */
  readonly columns?: UsualColumns;
  /** The keys of a task file, and of its `columns`, that only some kinds have, and this one has. @internal */
  readonly keys: readonly string[];
  /** Those of a task file itself, with what may stand there; another kind may have keys of the same names. @internal */
  readonly terms?: OwnKeys<KindTerms>;
  /** What only tasks of this kind have, in task.json and in memory. @internal */
  readonly facts?: OwnKeys<KindFacts>;
  /** Those of {@link facts} that an adapter has of itself, whatever task it is scored on. @internal */
  readonly ownFacts?: readonly (keyof KindFacts)[];
  /** {@link facts} of a task, as it is described, and by its training rows. @internal */
  factsOf?(terms: KindTerms, table: Table, columns: Columns): KindFacts;
  /**
   * {@link facts} that the settings of a run change, of a task as it was described.
   * @param before those of the adapter that the run goes on from
   * @internal
   */
  factsOfRun?(settings: FactSettings, task: KindFacts, before: KindFacts | undefined): Promise<KindFacts>;
  /** What a model adds to the facts of a task that it has learned. @internal */
  factsOfModel?(task: KindFacts, model: Model): KindFacts;
  /** It learns from pairs of texts and answers single ones. @internal */
  readonly answersSingleTexts?: true;
  /** Longest sequence in tokens where a task file of one's own and a run do not say; left out: 128, or as {@link sequenceLengths} ask. @internal */
  readonly maxLength?: number;
  /**
   * Tokens of each sequence to learn from, nothing cut. Where a kind has it, and neither the run nor the task says how long sequences
   * may be, most of them fit.
   * @internal
   */
  sequenceLengths?(
    opened: OpenedModel,
    task: TaskAsked,
    examples: readonly Example[],
    options: Pick<EncodeOptions, 'signal'>,
  ): Promise<number[]>;
  /** @param task what is known of it beside its columns @internal */
  metrics(columns: Columns, task?: KindFacts): KindMetrics;

  // How rows are read

  /** True for a table that is of this kind where nobody says so, by its cells. Left out: never. @internal */
  recognises?(table: Table, columns: Columns): boolean;
  /**
   * Tells a table in the columns of the task, where its rows go about in other forms.
   * @param terms what the file says that describes the task, where it is opened by one
   * @internal
   */
  inColumns?(table: Table, task: TaskShape, terms?: KindTerms): Table;
  /** Names of the labels that occur in a table. @throws DiffoError where they are too few; left out: there are none @internal */
  labelsIn?(table: Table, columns: Columns): string[];
  /**
   * A row as an example; without what is to be learned where its cell is missing or empty.
   * @param where file and row, for messages
   * @param path the file, for messages that name a part of the row
   * @throws DiffoError that names the row where a cell cannot be read
   * @internal
   */
  example(task: TaskShape, row: Row, where: string, path: string): Example;
  /** True for an example with what is to be learned. @internal */
  isLabelled(example: Example): boolean;
  /** What is said of a row that is not, and what to do; left out: that the cell of the label is empty. @internal */
  readonly unlabelled?: string;
  /** Examples of a table's rows as they are learned and scored, where several rows are one; left out: each by itself. @internal */
  gathered?(rows: readonly Example[]): readonly Example[];
  /** @throws DiffoError where the rows of a table, all of them examples to learn from, are not enough @internal */
  checkTraining?(task: TaskShape, examples: readonly Example[], table: Table): void;
  /**
   * What a person should know of a table that can be read, such as how many rows are taken otherwise than they are written.
   * @param trained the table that is learned from, where this is another
   * @internal
   */
  remarks?(task: TaskShape, table: Table, trained: Table | undefined): readonly string[];
  /** How many there are of each thing that is counted: examples of each label, or what else stands in them. @internal */
  labelCounts(labels: readonly string[], examples: readonly Example[]): Readonly<Record<string, number>>;

  // What is learned, and on what head

  /** The head that it needs, as PEFT names it. */
  readonly taskType: TaskType;
  /** The kind that learns from the same rows under a model without that head; undefined: none. @param heads of the model @internal */
  insteadFor?(heads: readonly TaskType[]): Kind | undefined;
  /** Outputs of the head; 0: as many as the model itself decides, by its vocabulary or its width. @internal */
  outputs(task: Pick<Task, 'labels'>): number;
  /** What the outputs of a new head start from, by the examples to learn from; left out: 0. @internal */
  outputBias?(examples: readonly Example[]): readonly number[];
  /**
   * What is learned. @param task what a task of the kind says of its loss
   * @throws DiffoError (usage) for changes of the loss that the kind does not have
   * @internal
   */
  objective(changes?: LossContext, task?: KindFacts): Objective;
  /** Those of {@link kindSettings} that it reads; left out: none. @internal */
  readonly settings?: readonly KindSetting[];
  /** Why a task does not read one of its kind's settings all the same, as a clause; undefined where it does. @internal */
  unread?(setting: KindSetting, task: Pick<TaskAsked, 'metrics'>): string | undefined;
  /** Sequences to learn from. @internal */
  encode(
    opened: OpenedModel,
    task: TaskAsked,
    examples: readonly Example[],
    options: EncodeOptions,
  ): Promise<EncodedExample[]>;

  // How models are scored and answer

  /**
   * The task's metrics on labelled examples, which are encoded once for however many scorings.
   * @throws DiffoError for an example without a label
   * @internal
   */
  scorer(opened: OpenedModel, task: TaskAsked, examples: readonly Example[], options: EncodeOptions): Promise<Scorer>;
  /** Compiles what answers, for however many calls. @internal */
  answerer(adapted: Adapted, options: { readonly threads: number }): Promise<Answerer>;

  /** The head of saved checkpoints whose outputs are such answers. @internal */
  readonly ownHead?: OwnHead;

  // What is told of it

  /** An answer on one line. @internal */
  line(answer: Answer): string;
  /** What `inspect` says that a task's outputs are. @internal */
  describe(task: Pick<Task, 'labels'>): readonly [title: string, what: string];
  /** How a model card says that an adapter is used. @internal */
  card(task: Pick<Task, 'labels'>): CardUse;
  /** The chat template that models of a task are talked to by, in the place of the tokenizer's own; undefined where that is it. @internal */
  chatTemplate?(task: KindFacts, tokenizer: Tokenizer): string | undefined;
  /** What a merged checkpoint's config.json says of its head, in transformers' terms. @internal */
  headConfig(task: Pick<Task, 'labels'>): Readonly<Record<string, unknown>>;
  /** What an adapter that others wrote is taken for, by its head; undefined where it is none of this kind. @internal */
  fromHead?(head: ForeignHead): Omit<LearnedTask, 'name' | 'kind'> | undefined;
  /** What makes a head of its task type one of this kind. @param config path of the base model's config.json @internal */
  headCure?(config: string): string;
}

/** What of a task only tasks of some kinds have. A kind's own file adds to it. */
export interface KindFacts {
  /** How a text is asked for. */
  readonly generation?: Generation | undefined;
  /** How a model makes vectors of texts. */
  readonly vectors?: TextVectors | undefined;
}

/** How vectors of texts are made: what is left out is as the model's folder says. */
export interface TextVectors {
  readonly pooling?: Pooling | undefined;
  /** Scaled to length 1. */
  readonly normalize?: boolean | undefined;
  /** What stands before a text that asks. */
  readonly queryPrompt?: string | undefined;
  /** What stands before a text that is searched. */
  readonly passagePrompt?: string | undefined;
}

/** How a task asks for a text, and what of a written one counts. */
export interface Generation {
  /** What stands before the answer, `{text}` being the text of the example. The reference follows at once. */
  readonly prompt: string;
  /** Spaces that a reference begins with, which the prompt was written to end in; see `spacedPrompt`. */
  readonly lead?: string | undefined;
  /** Tokens that an answer may have. */
  readonly maxNewTokens: number;
  /**
   * Regular expression: the answer is its first match (group 1 where it has one) in the written text, without
   * commas within numbers; without a match there is no answer. Left out, the answer is the whole text, trimmed.
   */
  readonly answer?: string | undefined;
}

/** The head of an adapter that has no task.json. */
export interface ForeignHead {
  readonly taskType: TaskType;
  /** Outputs of its classifier. */
  readonly outputs: number;
  /** What its base model says of them, once it is known. */
  readonly base?:
    | {
        readonly are: OutputsAre | undefined;
        /** What it calls them, where it has names for as many. */
        readonly labels: readonly string[] | undefined;
      }
    | undefined;
}

/** A kind from all but what follows from its name. */
export function defineKind<Answer extends Prediction>(rules: Omit<Kind<Answer>, 'toJSON'>): Kind<Answer> {
  return { ...rules, toJSON: () => rules.name };
}
