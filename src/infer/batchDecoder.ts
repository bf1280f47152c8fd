import { firstNotFinite } from '../engine/notFinite.js';
import { openProgram } from '../engine/program.js';
import { input } from '../graph/index.js';
import type { Model } from '../models/model.js';
import type { OneAtATime } from '../oneAtATime.js';
import { openTogether, releaseAll } from '../runtime/release.js';
import {
  cacheInputs,
  cacheNamesOf,
  type Decoder,
  type DecoderOptions,
  type DecoderState,
  nextCaches,
  notFiniteLogits,
  openDecoder,
} from './decoder.js';
import { type KeyValueRow, keyValueRows } from './keyValueRows.js';

/** Tokens of a prompt that are read at once: between two such parts the other texts go on. */
const promptPart = 256;

/** A causal model that continues several texts at once: what they ask for at the same time is computed in one run. */
export interface BatchDecoder {
  /**
   * A decoder for one text. Its states cannot be used again: each call goes on from the one before. Its release frees the text's row.
   * @param signal ends the reading of a long prompt
   */
  text(signal?: AbortSignal): Decoder;
  release(): Promise<void>;
}

export interface BatchDecoderOptions extends DecoderOptions {
  /** The line in which runs wait for each other, and for those of other models beside it. */
  readonly inTurn: OneAtATime;
  /** Is told of every run over texts: how many went on by a token. */
  readonly onStep?: ((texts: number) => void) | undefined;
}

/** A text that is continued: its caches before it has a row, and the row. */
interface Text {
  start?: DecoderState;
  row?: KeyValueRow;
  isOver: boolean;
}

interface Asked {
  readonly text: Text;
  readonly id: number;
  readonly resolve: (logits: Float32Array) => void;
  readonly reject: (error: unknown) => void;
}

/**
 * Compiles a causal model with the adapters of a plan for prompts, one after the other, and for steps of many texts, whose lengths
 * may differ and which come and go between steps.
 * @throws DiffoError when the model has no causal head
 */
export async function openBatchDecoder(model: Model, options: BatchDecoderOptions): Promise<BatchDecoder> {
  const { inTurn, onStep } = options;
  const { prompts, steps } = await openTogether(async (keep) => ({
    prompts: await keep(openDecoder(model, options)),
    steps: await keep(openSteps(model, options)),
  }));
  const rows = keyValueRows(cacheNamesOf(model).flat(), model.cached!);
  const texts = new Set<Text>();
  let waiting: Asked[] = [];

  /** Gives rows to texts that ask for their first step, and takes those of texts that are over. */
  const arrange = (asked: readonly Asked[]) => {
    for (const text of texts) {
      if (!text.isOver) continue;
      texts.delete(text);
      if (text.row !== undefined) rows.remove(text.row);
    }
    for (const { text } of asked) {
      if (text.start === undefined) continue;
      const { caches, length } = text.start;
      text.row = rows.add(
        Object.fromEntries(Object.entries(caches).map(([name, cache]) => [name, { data: cache.host() }])),
        length,
      );
      delete text.start;
    }
  };

  const step = async () => {
    const asked = waiting.filter(({ text }) => !text.isOver);
    waiting = [];
    try {
      arrange(asked);
      if (asked.length === 0) return;
      rows.grow();
      const ids = new BigInt64Array(rows.count);
      for (const { text, id } of asked) ids[text.row!.index] = BigInt(id);
      const results = await steps.run({
        ...rows.feeds(),
        input_ids: { data: ids, shape: [rows.count] },
        lengths: { data: BigInt64Array.from(rows.lengths, BigInt), shape: [rows.count] },
      });
      onStep?.(asked.length);
      const vocabulary = results.logits.data.length / rows.count;
      for (const { text, resolve, reject } of asked) {
        const { index } = text.row!;
        rows.append(text.row!, (name) => results[`next ${name}`]!.data);
        const logits = results.logits.data.slice(index * vocabulary, (index + 1) * vocabulary);
        const broken = firstNotFinite([{ name: 'logits', values: logits }]);
        if (broken === undefined) resolve(logits);
        else reject(notFiniteLogits(model, broken));
      }
    } catch (error) {
      for (const { reject } of asked) reject(error);
    }
  };

  const ask = (text: Text, id: number) =>
    new Promise<Float32Array>((resolve, reject) => {
      waiting.push({ text, id, resolve, reject });
      // Whoever asks first has the others' steps taken as well: of all that wait by then.
      if (waiting.length === 1) void inTurn(step);
    });

  const read = async (ids: readonly number[], signal: AbortSignal | undefined) => {
    let next: Awaited<ReturnType<Decoder['next']>> = { state: prompts.emptyState, logits: new Float32Array() };
    for (let start = 0; start < ids.length; start += promptPart) {
      signal?.throwIfAborted();
      const [{ state }, part] = [next, ids.slice(start, start + promptPart)];
      next = await inTurn(() => prompts.next(state, part));
    }
    return next;
  };

  return {
    text(signal) {
      const text: Text = { isOver: false };
      texts.add(text);
      return {
        emptyState: prompts.emptyState,
        async next(state, ids) {
          if (state.length === 0) {
            const first = await read(ids, signal);
            text.start = first.state;
            return { logits: first.logits, state: { length: ids.length, caches: {} } };
          }
          let logits: Float32Array = new Float32Array();
          for (const id of ids) logits = await ask(text, id);
          return { logits, state: { length: state.length + ids.length, caches: {} } };
        },
        async release() {
          text.isOver = true;
          await inTurn(async () => arrange([]));
        },
      };
    },
    release: () => inTurn(() => releaseAll([prompts, steps])),
  };
}

/** The graph of a step of several texts. */
function openSteps(model: Model, { plan, parameters, threads }: DecoderOptions) {
  const { cached } = model;
  if (cached === undefined) throw new Error(`${model.checkpoint.name} is opened without a cache`);
  return openProgram<'logits' | `next ${string}`>(model, {
    plan,
    parameters,
    threads,
    outputs({ hooks }) {
      const { logits, added } = cached.step(
        {
          inputIds: input('input_ids', 'int64', ['batch']),
          lengths: input('lengths', 'int64', ['batch']),
          past: cacheInputs(cached),
        },
        hooks,
      );
      return { logits, ...nextCaches(added) };
    },
  });
}
