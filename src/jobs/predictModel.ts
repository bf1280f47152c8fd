import { noAdapters } from '../adapters/plan.js';
import type { Checkpoint } from '../checkpoint/types.js';
import type { Example } from '../data/types.js';
import { predictEach } from '../infer/predictLogits.js';
import { openModelByName } from '../models/loading/openedModel.js';
import type { ProgressOptions } from '../reporter.js';
import { silent } from '../reporter.js';
import { usualThreads } from '../settings/config.js';
import { encodeSplit } from '../tasks/encoding/encodeTexts.js';
import type { ModelPrediction } from '../tasks/kinds/ownHead.js';
import { labelNames, ownHeadOf } from '../tasks/ownHeads.js';
import { sequenceLimit } from '../tasks/splits.js';

export interface PredictModelOptions extends ProgressOptions {
  readonly model: string;
  readonly maxLength?: number | undefined;
  /** Makes the examples once the model is open. */
  readonly examples: () => Promise<readonly Example[]>;
  /** Default: all that the machine has. */
  readonly threads?: number | undefined;
}

/** `diffora predict --model`: runs the head that a checkpoint was saved with. For QUESTION_ANS the pair is the context. */
export async function predictWithModel(options: PredictModelOptions): Promise<ModelPrediction[]> {
  const { reporter = silent, threads = usualThreads, signal } = options;
  const opened = await openModelByName(options.model, ownHeadOptions, reporter, signal);
  const { model, tokenizer } = opened;
  const maxLength = sequenceLimit(model, tokenizer, options.maxLength ?? usualLength(model.maxLength, tokenizer));
  const encoded = await encodeSplit(tokenizer, await options.examples(), { maxLength, warn: reporter.warn, signal });
  const phase = reporter.phase('predict', encoded.length);
  const onBatch = (done: number, tokens: number) => phase.update(done, { examples: done, tokens });
  const results = await predictEach(model, noAdapters, [], encoded, { threads, signal, onBatch });
  phase.end();
  const { config } = model.checkpoint;
  const reader = await ownHeadOf(model.checkpoint).reader(opened, { labels: labelNames(config), threads, signal });
  try {
    const predictions: ModelPrediction[] = [];
    for (const [i, { inputIds }] of encoded.entries()) {
      predictions.push(await reader.read(results[i]!, Array.from(inputIds)));
    }
    return predictions;
  } finally {
    await reader.release?.();
  }
}

function ownHeadOptions(checkpoint: Checkpoint) {
  const { taskType } = ownHeadOf(checkpoint);
  return { taskType, numLabels: labelNames(checkpoint.config).length, head: 'none' } as const;
}

/** 512 tokens, or what model and tokenizer allow. */
function usualLength(longest: number, { modelMaxLength }: { readonly modelMaxLength: number | undefined }): number {
  return Math.min(512, longest, modelMaxLength ?? longest);
}
