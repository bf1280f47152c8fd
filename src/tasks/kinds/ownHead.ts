import { noAdapters } from '../../adapters/plan.js';
import type { Checkpoint } from '../../checkpoint/types.js';
import type { Example } from '../../data/types.js';
import { openPredictor } from '../../infer/predictLogits.js';
import type { OpenedModel } from '../../models/loading/withHead.js';
import type { TaskType } from '../../models/model.js';
import { encodeSplit } from '../encoding/encodeTexts.js';
import type { Answerer, AnswerOptions, Prediction, TaskAsked } from './kind.js';

/** What only own heads of checkpoints give for a text; a file of such a head adds what its head gives. */
// biome-ignore lint/suspicious/noEmptyInterface: the files of heads add to it.
export interface ModelPredictions {}
/** What the own head of a checkpoint gives for one text: an answer of its kind of task, or what only own heads give. */
export type ModelPrediction = Prediction | ModelPredictions[keyof ModelPredictions];

/** A head that checkpoints are saved with, and how its outputs are read. */
export interface OwnHead {
  /** True for the head that a checkpoint was saved with, by its config.json. */
  fits(checkpoint: Pick<Checkpoint, 'config' | 'folder'>): boolean;
  readonly taskType: TaskType;
  /** Compiles what answers. */
  open(opened: OpenedModel, options: OwnHeadOptions): Promise<OwnHeadAnswerer>;
}

export interface OwnHeadOptions {
  /** Names of the labels, in the order of the logits. */
  readonly labels: readonly string[];
  readonly threads: number;
}

/** A checkpoint with its own head, compiled to answer. */
export interface OwnHeadAnswerer {
  /** An answer for each example, in order. */
  answer(examples: readonly Example[], options: AnswerOptions): Promise<ModelPrediction[]>;
  release(): Promise<void>;
}

/** What reads the outputs of a head for one text. */
export interface OwnHeadReader {
  /** @param logits as `predictEach` gives them, for the tokens `ids` */
  read(
    logits: Float32Array,
    ids: readonly number[],
    options: Pick<AnswerOptions, 'signal'>,
  ): Promise<ModelPrediction> | ModelPrediction;
  release?(): Promise<void>;
}

/** A head of which each text is one sequence, whose outputs are read. */
export function readingEach(
  readerOf: (opened: OpenedModel, options: OwnHeadOptions) => Promise<OwnHeadReader> | OwnHeadReader,
): OwnHead['open'] {
  return async (opened, options) => {
    const predictor = await openPredictor(opened.model, noAdapters, [], options);
    const reader = await Promise.resolve(readerOf(opened, options)).catch(async (error) => {
      await predictor.release();
      throw error;
    });
    return {
      async answer(examples, { signal, onDone, ...encoding }) {
        const encoded = await encodeSplit(opened.tokenizer, examples, { ...encoding, signal });
        const outputs = await predictor.each(encoded, { signal, onBatch: onDone });
        const answers: ModelPrediction[] = [];
        for (const [i, { inputIds }] of encoded.entries()) {
          answers.push(await reader.read(outputs[i]!, Array.from(inputIds), { signal }));
        }
        return answers;
      },
      async release() {
        await reader.release?.();
        await predictor.release();
      },
    };
  };
}

/** A head that answers as an adapter of its kind of task does. */
export function answeringAs(
  kind: () => TaskAsked['kind'],
  metrics: TaskAsked['metrics'],
): (opened: OpenedModel, options: OwnHeadOptions) => Promise<OwnHeadAnswerer> {
  return async (opened, { labels, threads }) => {
    const task: TaskAsked = { name: opened.model.checkpoint.name, kind: kind(), labels, metrics };
    const adapted = { opened, plan: noAdapters, parameters: [] };
    const answerer: Answerer = await task.kind.answerer(adapted, { threads });
    return { answer: (examples, options) => answerer.answer(task, examples, options), release: answerer.release };
  };
}

/** True where `architectures` of a config.json names a class that ends so. */
export function isClass({ architectures }: Checkpoint['config'], end: RegExp): boolean {
  return Array.isArray(architectures) && architectures.some((name) => end.test(String(name)));
}
