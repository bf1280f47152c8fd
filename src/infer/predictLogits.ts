import type { AdapterPlan } from '../adapters/plan.js';
import type { Batch, EncodedExample } from '../engine/batch.js';
import { collate, evaluationBatches, tokensOf } from '../engine/batching.js';
import { type AdaptedGraph, batchFeeds } from '../engine/modelGraph.js';
import { NotFiniteError } from '../engine/notFinite.js';
import type { Parameter } from '../engine/parameters.js';
import { openProgram } from '../engine/program.js';
import { onTokens, tokenFeeds } from '../engine/tokenRows.js';
import { input } from '../graph/index.js';
import type { Model } from '../models/model.js';
import type { Ranks } from '../mpi/ranks.js';
import { type Computing, isOwn } from './sharedOut.js';

export interface PredictOptions extends Computing {
  readonly batchSize?: number;
  readonly signal?: AbortSignal | undefined;
  /** Called with the examples that are done, and the tokens in them, padding not counted. */
  readonly onBatch?: ((done: number, tokens: number) => void) | undefined;
}

/** Logits of every example, dropout off: [examples, numLabels] in the order of `examples`. For heads of whole sequences. */
export async function predictLogits(
  model: Model,
  plan: AdapterPlan,
  parameters: readonly Parameter[],
  examples: readonly EncodedExample[],
  options: PredictOptions,
): Promise<Float32Array> {
  const all = new Float32Array(examples.length * model.numLabels);
  const rows = await predictEach(model, plan, parameters, examples, options);
  for (const [i, row] of rows.entries()) all.set(row, i * model.numLabels);
  return all;
}

/**
 * What the head gives for each example, dropout off, in their order. Outputs of whole sequences: [numLabels]; of tokens:
 * [tokens, numLabels], padding left out; of the next token: the logits of the one after the last [vocab].
 * @throws NotFiniteError that names the first example whose outputs are not finite
 */
export async function predictEach(
  model: Model,
  plan: AdapterPlan,
  parameters: readonly Parameter[],
  examples: readonly EncodedExample[],
  options: PredictOptions,
): Promise<Float32Array[]> {
  const predictor = await openPredictor(model, plan, parameters, options);
  try {
    return await predictor.each(examples, options);
  } finally {
    await predictor.release();
  }
}

/** A model with adapters, compiled to predict. */
export interface Predictor {
  /** See {@link predictEach}. Parameters are read as they are then; calls may overlap. */
  each(examples: readonly EncodedExample[], options: Omit<PredictOptions, keyof Computing>): Promise<Float32Array[]>;
  release(): Promise<void>;
}

/** Compiles a model with the adapters of a plan, for however many calls. */
export async function openPredictor(
  model: Model,
  plan: AdapterPlan,
  parameters: readonly Parameter[],
  { threads, ranks }: Computing,
): Promise<Predictor> {
  const isCausal = model.outputsOf === 'nextToken';
  const rows = isCausal ? input('rows', 'int64', ['batch']) : undefined;
  const outputs = (graph: AdaptedGraph) => ({ logits: onTokens(graph.logits(rows)) });
  const program = await (model.file?.logits({ threads }) ?? openProgram(model, { plan, parameters, threads, outputs }));
  return {
    async each(examples, { batchSize = 32, signal, onBatch }) {
      const results = new Map<EncodedExample, Float32Array>();
      let tokens = 0;
      const batches = evaluationBatches(examples, { batchSize });
      let done = 0;
      for (const [b, batch] of batches.entries()) {
        signal?.throwIfAborted();
        done += batch.length;
        tokens += tokensOf(batch);
        if (!isOwn(b, ranks)) continue;
        const collated = collate(batch, model.padTokenId);
        const last = isCausal ? { rows: { data: lastRows(collated, batch), shape: [batch.length] } } : {};
        const feeds = { ...batchFeeds(collated, false), ...tokenFeeds(collated), ...last };
        const values = (await program.run(feeds)).logits.data;
        const perExample = values.length / batch.length;
        for (const [i, example] of batch.entries()) {
          const length = model.outputsOf === 'token' ? example.inputIds.length * model.numLabels : perExample;
          const row = values.slice(i * perExample, i * perExample + length);
          if (ranks === undefined) refuseNotFiniteOutput(row, example.index);
          results.set(example, row);
        }
        onBatch?.(done, tokens);
      }
      if (ranks !== undefined) await addOthers(results, batches, model, ranks);
      return examples.map((example) => results.get(example)!);
    },
    release: () => program.release(),
  };
}

/** Adds the rows of the batches that other ranks have run. */
async function addOthers(
  results: Map<EncodedExample, Float32Array>,
  batches: readonly (readonly EncodedExample[])[],
  model: Model,
  ranks: Ranks,
): Promise<void> {
  const ofRank = (rank: number) => batches.filter((_, b) => b % ranks.size === rank).flat();
  const own = ofRank(ranks.rank).map((example) => results.get(example)!);
  const joined = new Float32Array(own.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const row of own) {
    joined.set(row, at);
    at += row.length;
  }
  const all = await ranks.gather(new Uint8Array(joined.buffer));
  for (const [rank, bytes] of all.entries()) {
    const rows = new Float32Array(bytes.buffer, bytes.byteOffset, bytes.byteLength / 4);
    const examples = ofRank(rank);
    let start = 0;
    for (const example of examples) {
      const isOfTokens = model.outputsOf === 'token';
      const length = isOfTokens ? example.inputIds.length * model.numLabels : rows.length / examples.length;
      results.set(example, rows.slice(start, start + length));
      start += length;
    }
  }
  // All ranks find the same example, and fail alike.
  for (const example of batches.flat()) refuseNotFiniteOutput(results.get(example)!, example.index);
}

/** A model that has diverged never gets a score. @param index of the example, from 0 */
export function refuseNotFiniteOutput(values: ArrayLike<number>, index: number): void {
  for (let i = 0; i < values.length; i++) {
    if (Number.isFinite(values[i]!)) continue;
    throw new NotFiniteError(
      `The model gives ${values[i]} for example ${index + 1}: training has diverged, or the base model is broken. Lower --lr, or check the model.`,
    );
  }
}

/** Positions of the last tokens in the flattened batch. */
function lastRows({ sequenceLength }: Batch, examples: readonly EncodedExample[]): BigInt64Array {
  return BigInt64Array.from(examples, ({ inputIds }, row) => BigInt(row * sequenceLength + inputIds.length - 1));
}
