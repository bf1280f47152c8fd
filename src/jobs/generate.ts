import { type AdapterPlan, noAdapters } from '../adapters/plan.js';
import { openAdapted } from '../artifacts/openAdapted.js';
import type { Checkpoint } from '../checkpoint/types.js';
import type { Parameter } from '../engine/parameters.js';
import { DiffoError, usageError } from '../errors.js';
import { openDecoder } from '../infer/decoder.js';
import { type FinishReason, generate } from '../infer/generate.js';
import type { SamplingOptions } from '../infer/sample.js';
import { stopIds } from '../infer/stopIds.js';
import { stopScanner } from '../infer/stopWords.js';
import { openWritingDecoder } from '../infer/writingDecoder.js';
import { openModelByName } from '../models/loading/openedModel.js';
import type { OpenedModel } from '../models/loading/withHead.js';
import type { ModelOptions } from '../models/model.js';
import { headsOf } from '../models/registry.js';
import type { ProgressOptions } from '../reporter.js';
import { silent } from '../reporter.js';
import { usualThreads } from '../settings/config.js';
import { type ChatFacts, type ChatFormat, chatFormat } from '../tasks/chat/chatFormat.js';
import { namedTemplate } from '../tasks/chat/namedTemplates.js';
import { replyStops } from '../tasks/chat/replies.js';
import { decodeStream } from '../tokenize/index.js';

export interface GenerateTextOptions extends SamplingOptions, ProgressOptions {
  /** A causal model or an encoder-decoder, or the base of `adapter` in another place. */
  readonly model?: string | undefined;
  /** An adapter of a causal model. */
  readonly adapter?: string | undefined;
  readonly anyBase?: boolean | undefined;
  readonly prompts: readonly string[];
  /** Treat each prompt as a user's message, in the chat format that the adapter was trained in, else the model's own. */
  readonly chat?: boolean;
  /** Another template in its place: a name, or a file of Jinja. */
  readonly chatTemplate?: string | undefined;
  /** The system's message of a chat. */
  readonly system?: string | undefined;
  readonly maxNewTokens: number;
  readonly seed: number;
  /** Default: all that the machine has. */
  readonly threads?: number | undefined;
  /** As {@link loadModel} takes it. */
  readonly device?: string | undefined;
  /** Text of prompt `index` as it comes. */
  readonly onText?: (text: string, index: number) => void;
}

/** A prompt continued. */
export interface GeneratedText {
  readonly prompt: string;
  /** The continuation alone; of an encoder-decoder, what it writes while it reads the prompt. */
  readonly text: string;
  readonly tokens: number;
  readonly finish: FinishReason;
  readonly tokensPerSecond: number;
}

/** `diffora generate`: continues each prompt. The same seed, model and prompt give the same text. */
export async function generateText(options: GenerateTextOptions): Promise<GeneratedText[]> {
  refuseIdle(options);
  const opened = await openCausal(options);
  const { model, tokenizer, plan, parameters } = opened;
  const format = options.chat === true ? await formatOf(opened, options) : undefined;
  const stopTokenIds = format === undefined ? await stopIds(opened) : await replyStops(opened, format);
  const open = model.encoderDecoder === undefined ? openDecoder : openWritingDecoder;
  const decoder = await open(model, { plan, parameters, threads: options.threads ?? usualThreads });
  const { maxLength } = model;
  const { prompts, reporter = silent } = options;
  // One text shows by itself that work goes on.
  const phase = prompts.length > 1 ? reporter.phase('generate', prompts.length) : undefined;
  let tokensBefore = 0;
  try {
    const results: GeneratedText[] = [];
    for (const [index, prompt] of prompts.entries()) {
      const started = performance.now();
      const [characters, words] = [decodeStream(tokenizer), stopScanner(format?.stopWords ?? [])];
      const pieces: string[] = [];
      const give = (piece: string) => {
        if (piece === '') return;
        pieces.push(piece);
        options.onText?.(piece, index);
      };
      const ids = format === undefined ? tokenizer.encode(prompt).ids : asked(prompt, options, format, tokenizer);
      const run = generate(decoder, ids, { ...options, stopTokenIds, maxLength });
      let tokens = 0;
      let finish: FinishReason | undefined;
      while (finish === undefined) {
        const step = await run.next();
        if (step.done === true) {
          give(words.push(characters.end()) + words.end());
          finish = step.value;
          break;
        }
        tokens++;
        give(words.push(characters.push(step.value)));
        if (words.found) finish = 'stop';
        phase?.update(index, { examples: index, tokens: tokensBefore + tokens });
      }
      const tokensPerSecond = tokens / ((performance.now() - started) / 1000);
      tokensBefore += tokens;
      phase?.update(index + 1, { examples: index + 1, tokens: tokensBefore });
      results.push({ prompt, text: pieces.join(''), tokens, finish, tokensPerSecond });
    }
    phase?.end();
    return results;
  } finally {
    await decoder.release();
  }
}

/** @throws DiffoError (usage) for an option that nothing would read */
function refuseIdle({ temperature, topK, topP, anyBase, adapter, chat, chatTemplate }: GenerateTextOptions): void {
  const draws = [topK === undefined ? '' : '--top-k', topP === undefined ? '' : '--top-p'].find((flag) => flag !== '');
  if (temperature === 0 && draws !== undefined) {
    throw usageError(
      `${draws} is read where tokens are drawn, and at temperature 0 the likeliest is taken. Give --temperature, or leave it out.`,
    );
  }
  if (chatTemplate !== undefined && chat !== true)
    throw usageError('--chat-template is read with --chat alone. Leave it out.');
  if (anyBase === true && adapter === undefined)
    throw usageError('--any-base is read with --adapter alone. Leave it out.');
}

async function openCausal(
  options: GenerateTextOptions,
): Promise<OpenedModel & { plan: AdapterPlan; parameters: readonly Parameter[]; facts: ChatFacts | undefined }> {
  const { model, adapter, reporter = silent, signal } = options;
  if (adapter !== undefined) {
    const { opened, plan, parameters, task } = await openAdapted({ ...options, adapter, taskType: 'CAUSAL_LM' });
    return { ...opened, plan, parameters, facts: task.chat };
  }
  if (model === undefined) throw new Error('generateText needs a model or an adapter');
  const opened = await openModelByName(model, writingHead, reporter, signal, options.device);
  return { ...opened, plan: noAdapters, parameters: [], facts: undefined };
}

/** The head that writes: of a decoder, or of an encoder-decoder. */
function writingHead(checkpoint: Checkpoint): ModelOptions {
  const isOfHalves = headsOf(checkpoint).includes('SEQ_2_SEQ_LM');
  return { taskType: isOfHalves ? 'SEQ_2_SEQ_LM' : 'CAUSAL_LM', numLabels: 0, head: 'none' };
}

/** How the model is talked to: as is asked, else as the adapter was trained, else by the model's own template. */
async function formatOf(
  { tokenizer, facts }: OpenedModel & { readonly facts: ChatFacts | undefined },
  { chatTemplate }: GenerateTextOptions,
): Promise<ChatFormat> {
  if (chatTemplate !== undefined) return chatFormat(tokenizer, { template: await namedTemplate(chatTemplate) });
  const format = chatFormat(tokenizer, facts);
  if (format.source !== 'usual' || facts !== undefined) return format;
  throw new DiffoError(
    'The model has no chat template. Name one with --chat-template, or give a plain prompt, without --chat.',
  );
}

function asked(
  prompt: string,
  { system }: GenerateTextOptions,
  { renderer }: ChatFormat,
  tokenizer: OpenedModel['tokenizer'],
): readonly number[] {
  const before = system === undefined ? [] : [{ role: 'system', content: system }];
  const messages = [...before, { role: 'user', content: prompt }];
  return tokenizer.encodePlain(renderer.render(messages, { addGenerationPrompt: true }));
}
