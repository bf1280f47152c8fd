import type { Checkpoint } from '../../checkpoint/types.js';
import type { OpenedModel } from '../../models/loading/openedModel.js';
import type { TaskType } from '../../models/model.js';
import type { LabelPrediction } from './kind.js';

/** What the own heads of checkpoints give for a text; a kind's own file adds what its head gives. */
export interface ModelPredictions {
  readonly label: LabelPrediction;
}
/** What the own head of a checkpoint gives for one text. */
export type ModelPrediction = ModelPredictions[keyof ModelPredictions];

/** A head that checkpoints are saved with, and how its outputs are read. */
export interface OwnHead {
  /** True for the head that a checkpoint was saved with, by its config.json. */
  fits(config: Checkpoint['config']): boolean;
  readonly taskType: TaskType;
  /** Makes what reads outputs. */
  reader(opened: OpenedModel, options: OwnHeadOptions): Promise<OwnHeadReader> | OwnHeadReader;
}

export interface OwnHeadOptions {
  /** Names of the labels, in the order of the logits. */
  readonly labels: readonly string[];
  readonly threads: number;
  readonly signal?: AbortSignal | undefined;
}

export interface OwnHeadReader {
  /** @param logits as `predictEach` gives them, for the tokens `ids` */
  read(logits: Float32Array, ids: readonly number[]): Promise<ModelPrediction> | ModelPrediction;
  release?(): Promise<void>;
}

/** True where `architectures` of a config.json names a class that ends so. */
export function isClass({ architectures }: Checkpoint['config'], end: RegExp): boolean {
  return Array.isArray(architectures) && architectures.some((name) => end.test(String(name)));
}
