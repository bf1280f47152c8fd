import { noAdapters } from '../adapters/plan.js';
import type { Example } from '../data/types.js';
import { openDecoder } from '../infer/decoder.js';
import { generate } from '../infer/generate.js';
import { predictEach } from '../infer/predictLogits.js';
import { argmax } from '../infer/sample.js';
import { stopIds } from '../infer/stopIds.js';
import { type OpenedModel, openModelByName } from '../models/loading/openedModel.js';
import { labelNames, ownHead } from '../models/loading/ownHead.js';
import type { Model } from '../models/model.js';
import type { ProgressOptions } from '../reporter.js';
import { silent } from '../reporter.js';
import { usualThreads } from '../settings/config.js';
import { encodeSplit } from '../tasks/encoding/encodeTexts.js';
import type { LabelPrediction } from '../tasks/kinds/kind.js';
import { labelPrediction } from '../tasks/kinds/label.js';
import { sequenceLimit } from '../tasks/splits.js';
import type { Tokenizer } from '../tokenize/index.js';

/** What the own head of a checkpoint gives for one text. */
export type ModelPrediction =
  | LabelPrediction
  /** Token classification: a label and logits for each token. */
  | { readonly tokens: readonly (LabelPrediction & { readonly token: string })[] }
  /** Question answering: the likeliest span, first token before last, and the logits of every token as start and end. */
  | {
      readonly answer: string;
      readonly start: number;
      readonly end: number;
      readonly startLogits: readonly number[];
      readonly endLogits: readonly number[];
    }
  /** Causal models: the greedy continuation, the likeliest next token, and the logits of all next tokens. */
  | { readonly text: string; readonly next: string; readonly id: number; readonly logits: readonly number[] };

/** Tokens of a causal model's continuation; `diffora generate` has more to choose. */
const continuationTokens = 32;

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
  const { model, tokenizer } = await openModelByName(options.model, ownHead, reporter, signal);
  const maxLength = sequenceLimit(model, tokenizer, options.maxLength ?? usualLength(model.maxLength, tokenizer));
  const encoded = await encodeSplit(tokenizer, await options.examples(), { maxLength, warn: reporter.warn, signal });
  const phase = reporter.phase('predict', encoded.length);
  const onBatch = (done: number, tokens: number) => phase.update(done, { examples: done, tokens });
  const plan = noAdapters;
  const results = await predictEach(model, plan, [], encoded, { threads, signal, onBatch });
  phase.end();
  const labels = labelNames(model.checkpoint.config);
  const ids = encoded.map(({ inputIds }) => Array.from(inputIds));
  const texts = model.taskType === 'CAUSAL_LM' ? await continuations({ model, tokenizer }, ids, options) : [];
  return results.map((logits, i) => read(logits, ids[i]!, texts[i] ?? '', { model, tokenizer, labels }));
}

async function continuations(
  { model, tokenizer }: Pick<OpenedModel, 'model' | 'tokenizer'>,
  prompts: readonly (readonly number[])[],
  { threads = usualThreads, signal }: PredictModelOptions,
): Promise<string[]> {
  const decoder = await openDecoder(model, { plan: noAdapters, parameters: [], threads });
  const stopTokenIds = await stopIds({ model, tokenizer });
  const greedy = { temperature: 0, seed: 0, maxNewTokens: continuationTokens, maxLength: model.maxLength };
  try {
    const texts: string[] = [];
    for (const prompt of prompts) {
      const made: number[] = [];
      for await (const id of generate(decoder, prompt, { ...greedy, stopTokenIds, signal })) made.push(id);
      texts.push(tokenizer.decode(made, { skipSpecialTokens: true }));
    }
    return texts;
  } finally {
    await decoder.release();
  }
}

function read(
  logits: Float32Array,
  ids: readonly number[],
  text: string,
  of: { readonly model: Model; readonly tokenizer: Tokenizer; readonly labels: readonly string[] },
): ModelPrediction {
  const { tokenizer, labels } = of;
  const { taskType, numLabels } = of.model;
  switch (taskType) {
    case 'SEQ_CLS':
      return labelPrediction(Array.from(logits), numLabels === 1 ? [] : labels);
    case 'TOKEN_CLS':
      return {
        tokens: ids.map((id, position) => {
          const values = Array.from(logits.subarray(position * numLabels, (position + 1) * numLabels));
          return { token: tokenizer.decode([id]), ...labelPrediction(values, labels) };
        }),
      };
    case 'QUESTION_ANS':
      return likeliestSpan(logits, ids, tokenizer);
    case 'CAUSAL_LM': {
      const id = argmax(logits);
      return { text, next: tokenizer.decode([id]), id, logits: Array.from(logits) };
    }
  }
}

/** 512 tokens, or what model and tokenizer allow. */
function usualLength(longest: number, { modelMaxLength }: { readonly modelMaxLength: number | undefined }): number {
  return Math.min(512, longest, modelMaxLength ?? longest);
}

/** @param logits [tokens, 2] */
function likeliestSpan(logits: Float32Array, ids: readonly number[], tokenizer: Tokenizer) {
  const startLogits = ids.map((_, i) => logits[2 * i]!);
  const endLogits = ids.map((_, i) => logits[2 * i + 1]!);
  let best = { start: 0, end: 0, score: Number.NEGATIVE_INFINITY };
  let bestStart = 0;
  for (let end = 0; end < ids.length; end++) {
    if (startLogits[end]! > startLogits[bestStart]!) bestStart = end;
    const score = startLogits[bestStart]! + endLogits[end]!;
    if (score > best.score) best = { start: bestStart, end, score };
  }
  const { start, end } = best;
  const answer = tokenizer.decode(ids.slice(start, end + 1), { skipSpecialTokens: true }).trim();
  return { answer, start, end, startLogits, endLogits };
}
