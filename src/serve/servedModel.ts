import { basename, resolve } from 'node:path';
import type { TaskFile } from '../artifacts/taskFile.js';
import type { Example } from '../data/types.js';
import type { EncodedExample } from '../engine/batch.js';
import { openBatchDecoder } from '../infer/batchDecoder.js';
import { openEmbedder } from '../infer/embed.js';
import { type FinishReason, type GenerateOptions, generate } from '../infer/generate.js';
import { stopIds } from '../infer/stopIds.js';
import type { OneAtATime } from '../oneAtATime.js';
import { type Releasable, releaseAll } from '../runtime/release.js';
import { type ChatFacts, type ChatFormat, chatFormat } from '../tasks/chat/chatFormat.js';
import { replyStops } from '../tasks/chat/replies.js';
import type { Adapted } from '../tasks/kinds/kind.js';
import type { ModelPrediction, OwnHeadAnswerer } from '../tasks/kinds/ownHead.js';
import { longestOf } from '../tasks/splits.js';
import type { Tokenizer } from '../tokenize/index.js';
import { type MicroBatches, microBatches } from './microBatches.js';
import { places } from './places.js';
import { sentenceSettings } from './pooling.js';
import type { ServerMetrics } from './serverMetrics.js';

/** What a model was trained to answer, and how. */
export interface AnswerSource {
  readonly task: TaskFile;
  /** Tokens of the longest sequence. */
  readonly maxLength: number;
  /** Compiles what answers. */
  open(): Promise<OwnHeadAnswerer>;
}

/** Answers as its task has them: labels, entities, parts of a passage. */
export interface Answering {
  readonly task: TaskFile;
  /** Tokens of the longest sequence; longer ones are cut, or read in windows. */
  readonly maxLength: number;
  readonly rows: MicroBatches<Example, ModelPrediction>;
}

/** Vectors of texts. */
export interface Embedding {
  /** Tokens of the longest text. */
  readonly maxLength: number;
  readonly rows: MicroBatches<EncodedExample, Float32Array>;
}

/** Texts that go on from a prompt. */
export interface Writing {
  /** Tokens of prompt and answer together. */
  readonly maxLength: number;
  readonly stopTokenIds: readonly number[];
  /** The same, and what ends an answer of a conversation. */
  readonly replyStopIds: readonly number[];
  /** Waits for a place among the texts that are written, and gives tokens as they come. */
  write(
    prompt: readonly number[],
    options: Omit<GenerateOptions, 'maxLength' | 'signal'>,
    signal: AbortSignal,
  ): AsyncGenerator<number, FinishReason>;
}

/** A model, or an adapter on it, under the name that requests have for it. What it does is compiled when it is first asked for. */
export interface ServedModel {
  readonly name: string;
  readonly tokenizer: Tokenizer;
  /** How it is talked to: as the adapter was trained, else by its own template; undefined where it has neither. */
  readonly chat: ChatFormat | undefined;
  /** Of an adapter, or of a model with a head of its own; undefined for one without, and for one that writes. */
  readonly answering: (() => Promise<Answering>) | undefined;
  /** Undefined for a model that writes no texts. */
  readonly writing: (() => Promise<Writing>) | undefined;
  readonly embedding: () => Promise<Embedding>;
  release(): Promise<void>;
}

export interface ServedModelOptions {
  readonly name: string;
  /** Folder of the base model as it was found. */
  readonly folder: string;
  /** What it was trained to answer. */
  readonly answers: AnswerSource | undefined;
  /** How it was trained to be talked to. */
  readonly talk: ChatFacts | undefined;
  readonly threads: number;
  readonly maxBatch: number;
  readonly inTurn: OneAtATime;
  readonly metrics: Pick<ServerMetrics, 'batches'>;
}

/** The name of an adapter or a model: that of its folder. */
export function nameOf(path: string): string {
  return basename(resolve(path)).replace(/\.gguf$/, '');
}

export function servedModel({ opened, plan, parameters }: Adapted, options: ServedModelOptions): ServedModel {
  const { name, answers, threads, maxBatch, inTurn, metrics } = options;
  const { model, tokenizer } = opened;
  const compiled: Releasable[] = [];
  const isTalkedTo = options.talk !== undefined || tokenizer.chatTemplate !== undefined;
  const chat = isTalkedTo ? chatFormat(tokenizer, options.talk) : undefined;
  const counted = (work: string) => (rows: number) => metrics.batches.observe({ model: name, work }, rows);
  const keep = <R extends Releasable>(one: R): R => {
    compiled.push(one);
    return one;
  };

  const openAnswering = async ({ task, maxLength, open }: AnswerSource): Promise<Answering> => {
    const answerer = keep(await open());
    const work = (examples: readonly Example[]) => answerer.answer(examples, { maxLength, warn: () => {} });
    return { task, maxLength, rows: microBatches({ inTurn, most: maxBatch, work, onBatch: counted('classify') }) };
  };

  const openWriting = async (): Promise<Writing> => {
    const onStep = counted('generate');
    const decoder = keep(await openBatchDecoder(model, { plan, parameters, threads, inTurn, onStep }));
    const stopTokenIds = await stopIds(opened);
    const writers = places(maxBatch);
    const { maxLength } = model;
    return {
      maxLength,
      stopTokenIds,
      replyStopIds: chat === undefined ? stopTokenIds : await replyStops(opened, chat),
      async *write(prompt, given, signal) {
        const leave = await writers.take(signal);
        const text = decoder.text(signal);
        try {
          return yield* generate(text, prompt, { ...given, maxLength, signal });
        } finally {
          leave();
          await text.release();
        }
      },
    };
  };

  const openEmbedding = async (): Promise<Embedding> => {
    const { pooling, maxLength } = await sentenceSettings(options.folder);
    const embedder = keep(await openEmbedder(model, { plan, parameters, threads, pooling }));
    const longest = longestOf(model, tokenizer);
    return {
      maxLength: Math.min(longest, maxLength ?? longest),
      rows: microBatches({ inTurn, most: maxBatch, work: embedder.each, onBatch: counted('embed') }),
    };
  };

  const writes = model.cached !== undefined;
  return {
    name,
    tokenizer,
    chat,
    answering: answers === undefined || writes ? undefined : once(() => openAnswering(answers)),
    writing: writes ? once(openWriting) : undefined,
    embedding: once(openEmbedding),
    release: () => releaseAll(compiled),
  };
}

/** Opens at the first call what every call gets; where that fails, the next one tries again. */
function once<T>(open: () => Promise<T>): () => Promise<T> {
  let opening: Promise<T> | undefined;
  return () => {
    opening ??= open().catch((error) => {
      opening = undefined;
      throw error;
    });
    return opening;
  };
}
