import type { AdapterPlan } from '../adapters/plan.js';
import type { Model } from '../models/model.js';
import type { EncodedExample } from './batch.js';
import { collate } from './batching.js';
import { batchFeeds } from './modelGraph.js';
import { NotFiniteError } from './notFinite.js';
import { type Objective, objectiveRows } from './objective.js';
import type { Parameter } from './parameters.js';
import { openProgram } from './program.js';

/** What an example adds to a mean loss: its loss times its weight, and its weight in the mean. */
export type WeightedLoss = readonly [sum: number, weight: number];

export interface ExampleLossOptions {
  readonly objective: Objective;
  readonly threads: number;
  readonly signal?: AbortSignal | undefined;
  /** Called with the sequences that are done. */
  readonly onDone?: ((done: number) => void) | undefined;
}

/**
 * The loss of every example, dropout off, in their order; windows of one example are added up. Each sequence is a batch of
 * its own, so that none depends on what stands beside it, and nothing is padded.
 * @throws NotFiniteError that names the first example whose loss is not finite
 */
export async function exampleLosses(
  model: Model,
  plan: AdapterPlan,
  parameters: readonly Parameter[],
  examples: readonly EncodedExample[],
  { objective, threads, signal, onDone }: ExampleLossOptions,
): Promise<WeightedLoss[]> {
  const program = await openProgram(model, {
    plan,
    parameters,
    threads,
    outputs: ({ logits }) => ({ loss: objective.loss(logits(objectiveRows(objective))) }),
  });
  const losses = new Map<number, WeightedLoss>();
  try {
    for (const [i, example] of examples.entries()) {
      signal?.throwIfAborted();
      const batch = collate([example], model.padTokenId, objective);
      const loss = (await program.run(batchFeeds(batch, true))).loss.data[0]!;
      if (!Number.isFinite(loss)) {
        throw new NotFiniteError(
          `The loss of held-out example ${example.index + 1} is ${loss}: training has diverged. Lower --lr.`,
        );
      }
      const weight = objective.weight(batch);
      const [sum, weights] = losses.get(example.index) ?? [0, 0];
      losses.set(example.index, [sum + loss * weight, weights + weight]);
      onDone?.(i + 1);
    }
  } finally {
    await program.release();
  }
  return [...losses.values()];
}

/** Σ w·loss / Σ w: the mean that training lowers. */
export function meanLoss(losses: Iterable<WeightedLoss>): number {
  let [sum, weight] = [0, 0];
  for (const [loss, of] of losses) [sum, weight] = [sum + loss, weight + of];
  return sum / weight;
}
