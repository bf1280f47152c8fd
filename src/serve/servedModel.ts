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
import type { Adapted, Prediction } from '../tasks/kinds/kind.js';
import { learnedLength, longestOf } from '../tasks/splits.js';
import type { Tokenizer } from '../tokenize/index.js';
import { type MicroBatches, microBatches } from './microBatches.js';
import { places } from './places.js';
import { sentenceSettings } from './pooling.js';
import type { ServerMetrics } from './serverMetrics.js';

/** Answers as its task has them: labels, entities, parts of a passage. */
export interface Answering {
  readonly task: TaskFile;
  /** Tokens of the longest sequence; longer ones are cut, or read in windows. */
  readonly maxLength: number;
  readonly rows: MicroBatches<Example, Prediction>;
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
  /** Waits for a place among the texts that are written, and gives tokens as they come. */
  write(
    prompt: readonly number[],
    options: Omit<GenerateOptions, 'maxLength' | 'stopTokenIds' | 'signal'>,
    signal: AbortSignal,
  ): AsyncGenerator<number, FinishReason>;
}

/** A model, or an adapter on it, under the name that requests have for it. What it does is compiled when it is first asked for. */
export interface ServedModel {
  readonly name: string;
  readonly tokenizer: Tokenizer;
  /** What an adapter was trained to answer; undefined for a model without one, and for one that writes. */
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
  /** What an adapter was trained for. */
  readonly learned: { readonly name: string; readonly task: TaskFile } | undefined;
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
  const { name, learned, threads, maxBatch, inTurn, metrics } = options;
  const { model, tokenizer } = opened;
  const compiled: Releasable[] = [];
  const adapted = { opened, plan, parameters };
  const counted = (work: string) => (rows: number) => metrics.batches.observe({ model: name, work }, rows);
  const keep = <R extends Releasable>(one: R): R => {
    compiled.push(one);
    return one;
  };

  const openAnswering = async ({ name: of, task }: NonNullable<typeof learned>): Promise<Answering> => {
    const maxLength = learnedLength(opened, undefined, task, of);
    const answerer = keep(await task.kind.answerer(adapted, { threads }));
    const work = (examples: readonly Example[]) => answerer.answer(task, examples, { maxLength, warn: () => {} });
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
      async *write(prompt, given, signal) {
        const leave = await writers.take(signal);
        const text = decoder.text(signal);
        try {
          return yield* generate(text, prompt, { ...given, maxLength, stopTokenIds, signal });
        } finally {
          leave();
          await text.release();
        }
      },
    };
  };

  const openEmbedding = async (): Promise<Embedding> => {
    const { vectors, maxLength } =
      model.vectors === undefined || learned === undefined
        ? await sentenceSettings(options.folder)
        : { vectors: model.vectors, maxLength: learned.task.maxLength };
    const embedder = keep(await openEmbedder(model, { plan, parameters, threads, vectors }));
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
    answering: learned === undefined || writes ? undefined : once(() => openAnswering(learned)),
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
