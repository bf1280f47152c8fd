import type { AdapterPlan } from '../adapters/plan.js';
import { collate, evaluationBatches } from '../data/batching.js';
import type { EncodedExample } from '../data/types.js';
import type { Model } from '../models/model.js';
import { batchFeeds, modelLogits } from '../optimize/modelGraph.js';
import { type Parameter, parameterFeeds, parameterInputs } from '../optimize/parameters.js';
import { openSession } from '../runtime/session.js';

export interface PredictOptions {
  readonly threads: number;
  readonly batchSize?: number;
  readonly signal?: AbortSignal | undefined;
  readonly onBatch?: ((done: number, total: number) => void) | undefined;
}

/** Logits of every example, dropout off: [examples, numLabels] in the order of `examples`. */
export async function predictLogits(
  model: Model,
  plan: AdapterPlan,
  parameters: readonly Parameter[],
  examples: readonly EncodedExample[],
  { threads, batchSize = 32, signal, onBatch }: PredictOptions,
): Promise<Float32Array> {
  const logits = modelLogits(model, { plan, parameters: parameterInputs(parameters) });
  const session = await openSession({ logits }, { threads });
  const fixedFeeds = parameterFeeds(parameters);
  const all = new Float32Array(examples.length * model.numLabels);
  const rowOf = new Map(examples.map((example, row) => [example, row]));
  let done = 0;
  try {
    for (const batch of evaluationBatches(examples, { batchSize })) {
      signal?.throwIfAborted();
      const collated = collate(batch, model.padTokenId);
      const result = await session.run({ ...fixedFeeds, ...batchFeeds(collated, false) });
      const values = result.logits!.data as Float32Array;
      for (const [i, example] of batch.entries()) {
        const from = values.subarray(i * model.numLabels, (i + 1) * model.numLabels);
        all.set(from, rowOf.get(example)! * model.numLabels);
      }
      done += batch.length;
      onBatch?.(done, examples.length);
    }
  } finally {
    await session.release();
  }
  return all;
}
