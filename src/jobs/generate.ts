import { type AdapterPlan, noAdapters } from '../adapters/plan.js';
import { openAdapted } from '../artifacts/openAdapted.js';
import type { Parameter } from '../engine/parameters.js';
import { DiffoError, usageError } from '../errors.js';
import { renderChat } from '../infer/chat.js';
import { openDecoder } from '../infer/decoder.js';
import { type FinishReason, generate } from '../infer/generate.js';
import type { SamplingOptions } from '../infer/sample.js';
import { stopIds } from '../infer/stopIds.js';
import { type OpenedModel, openModelByName } from '../models/loading/openedModel.js';
import type { ProgressOptions } from '../reporter.js';
import { silent } from '../reporter.js';
import { usualThreads } from '../settings/config.js';
import { decodeStream } from '../tokenize/index.js';

export interface GenerateTextOptions extends SamplingOptions, ProgressOptions {
  /** A causal model, or the base of `adapter` in another place. */
  readonly model?: string | undefined;
  /** An adapter of a causal model. */
  readonly adapter?: string | undefined;
  readonly anyBase?: boolean | undefined;
  readonly prompts: readonly string[];
  /** Treat each prompt as a user's message, in the model's own chat format. */
  readonly chat?: boolean;
  /** The system's message of a chat. */
  readonly system?: string | undefined;
  readonly maxNewTokens: number;
  readonly seed: number;
  /** Default: all that the machine has. */
  readonly threads?: number | undefined;
  /** Text of prompt `index` as it comes. */
  readonly onText?: (text: string, index: number) => void;
}

/** A prompt continued. */
export interface GeneratedText {
  readonly prompt: string;
  /** The continuation alone. */
  readonly text: string;
  readonly tokens: number;
  readonly finish: FinishReason;
  readonly tokensPerSecond: number;
}

/** `diffora generate`: continues each prompt. The same seed, model and prompt give the same text. */
export async function generateText(options: GenerateTextOptions): Promise<GeneratedText[]> {
  refuseIdle(options);
  const { model, tokenizer, plan, parameters } = await openCausal(options);
  const stopTokenIds = await stopIds({ model, tokenizer });
  const decoder = await openDecoder(model, { plan, parameters, threads: options.threads ?? usualThreads });
  const { maxLength } = model;
  const { prompts, reporter = silent } = options;
  // One text shows by itself that work goes on.
  const phase = prompts.length > 1 ? reporter.phase('generate', prompts.length) : undefined;
  let tokensBefore = 0;
  try {
    const results: GeneratedText[] = [];
    for (const [index, prompt] of prompts.entries()) {
      const started = performance.now();
      const stream = decodeStream(tokenizer);
      const pieces: string[] = [];
      const give = (piece: string) => {
        if (piece === '') return;
        pieces.push(piece);
        options.onText?.(piece, index);
      };
      const run = generate(decoder, encodePrompt(prompt, options, tokenizer), { ...options, stopTokenIds, maxLength });
      let tokens = 0;
      let step = await run.next();
      for (; !step.done; step = await run.next()) {
        tokens++;
        give(stream.push(step.value));
        phase?.update(index, { examples: index, tokens: tokensBefore + tokens });
      }
      give(stream.end());
      const tokensPerSecond = tokens / ((performance.now() - started) / 1000);
      tokensBefore += tokens;
      phase?.update(index + 1, { examples: index + 1, tokens: tokensBefore });
      results.push({ prompt, text: pieces.join(''), tokens, finish: step.value, tokensPerSecond });
    }
    phase?.end();
    return results;
  } finally {
    await decoder.release();
  }
}

/** @throws DiffoError (usage) for an option that nothing would read */
function refuseIdle({ temperature, topK, topP, anyBase, adapter }: GenerateTextOptions): void {
  const draws = [topK === undefined ? '' : '--top-k', topP === undefined ? '' : '--top-p'].find((flag) => flag !== '');
  if (temperature === 0 && draws !== undefined) {
    throw usageError(
      `${draws} is read where tokens are drawn, and at temperature 0 the likeliest is taken. Give --temperature, or leave it out.`,
    );
  }
  if (anyBase === true && adapter === undefined)
    throw usageError('--any-base is read with --adapter alone. Leave it out.');
}

async function openCausal(
  options: GenerateTextOptions,
): Promise<OpenedModel & { plan: AdapterPlan; parameters: readonly Parameter[] }> {
  const { model, adapter, reporter = silent, signal } = options;
  if (adapter !== undefined) {
    const { opened, plan, parameters } = await openAdapted({ ...options, adapter, taskType: 'CAUSAL_LM' });
    return { ...opened, plan, parameters };
  }
  if (model === undefined) throw new Error('generateText needs a model or an adapter');
  const head = { taskType: 'CAUSAL_LM', numLabels: 0, head: 'none' } as const;
  const opened = await openModelByName(model, head, reporter, signal);
  return { ...opened, plan: noAdapters, parameters: [] };
}

function encodePrompt(prompt: string, { chat, system }: GenerateTextOptions, tokenizer: OpenedModel['tokenizer']) {
  if (chat !== true) return tokenizer.encode(prompt).ids;
  if (tokenizer.chatTemplate === undefined) {
    throw new DiffoError('The model has no chat template. Give a plain prompt, without --chat.');
  }
  const messages = [
    ...(system === undefined ? [] : [{ role: 'system', content: system } as const]),
    { role: 'user', content: prompt } as const,
  ];
  return tokenizer.encodePlain(renderChat(tokenizer.chatTemplate, messages, tokenizer.specialTokens));
}
