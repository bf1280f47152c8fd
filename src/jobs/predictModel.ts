import type { TaskFile } from '../artifacts/taskFile.js';
import type { Checkpoint } from '../checkpoint/types.js';
import type { Example } from '../data/types.js';
import { openModelByName } from '../models/loading/openedModel.js';
import type { OpenedModel } from '../models/loading/withHead.js';
import type { ProgressOptions } from '../reporter.js';
import { silent } from '../reporter.js';
import { usualThreads } from '../settings/config.js';
import type { ModelPrediction } from '../tasks/kinds/ownHead.js';
import { labelNames } from '../tasks/kinds/savedLabels.js';
import { ownHeadOf } from '../tasks/ownHeads.js';
import { longestOf, sequenceLimit } from '../tasks/splits.js';
import { plainTask, warnOfEmpty } from './predictInput.js';

export interface PredictModelOptions extends ProgressOptions {
  readonly model: string;
  readonly maxLength?: number | undefined;
  /** Makes the examples once the model is open, with what is known of its rows: their kind and the usual columns. */
  readonly examples: (task: TaskFile) => Promise<readonly Example[]>;
  /** Default: all that the machine has. */
  readonly threads?: number | undefined;
  /** As {@link loadModel} takes it. */
  readonly device?: string | undefined;
}

/** Tokens of a sequence where nobody says how many, and model and tokenizer allow them. */
const usualLength = 512;

/**
 * `diffora predict --model`: runs the head that a checkpoint was saved with, and answers as transformers' pipeline does.
 * For QUESTION_ANS the pair is the passage.
 */
export async function predictWithModel(options: PredictModelOptions): Promise<ModelPrediction[]> {
  const { reporter = silent, threads = usualThreads, signal } = options;
  const opened = await openModelByName(options.model, ownHeadOptions, reporter, signal, options.device);
  const { model, tokenizer } = opened;
  const maxLength =
    options.maxLength === undefined ? ownHeadLength(opened) : sequenceLimit(model, tokenizer, options.maxLength);
  const { head, kind } = ownHeadOf(model.checkpoint);
  const examples = await options.examples(plainTask(kind));
  warnOfEmpty(examples, reporter);
  const answerer = await head.open(opened, { labels: labelNames(model.checkpoint), threads });
  const phase = reporter.phase('predict', examples.length);
  const onDone = (done: number, tokens: number) => phase.update(done, { examples: done, tokens });
  const answering = answerer.answer(examples, { maxLength, signal, warn: reporter.warn, onDone });
  const predictions = await answering.finally(answerer.release);
  phase.end();
  return predictions;
}

/** Tokens of the longest sequence that an own head reads where nobody says how many. */
export function ownHeadLength({ model, tokenizer }: Pick<OpenedModel, 'model' | 'tokenizer'>): number {
  return Math.min(usualLength, longestOf(model, tokenizer));
}

/** How a checkpoint is opened with its own head. @throws DiffoError for one without */
export function ownHeadOptions(checkpoint: Checkpoint) {
  const { taskType } = ownHeadOf(checkpoint).head;
  return { taskType, numLabels: labelNames(checkpoint).length, head: 'none' } as const;
}
