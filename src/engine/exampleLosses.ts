import type { AdapterPlan } from '../adapters/plan.js';
import type { Model } from '../models/model.js';
import type { Ranks } from '../mpi/ranks.js';
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
  /** Ranks that take the sequences in turns. */
  readonly ranks?: Ranks | undefined;
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
  { objective, threads, ranks, signal, onDone }: ExampleLossOptions,
): Promise<WeightedLoss[]> {
  const program = await openProgram(model, {
    plan,
    parameters,
    threads,
    outputs: ({ logits }) => ({ loss: objective.loss(logits(objectiveRows(objective))) }),
  });
  const found = new Float64Array(examples.length);
  try {
    for (const [i, example] of examples.entries()) {
      signal?.throwIfAborted();
      if (i % (ranks?.size ?? 1) !== (ranks?.rank ?? 0)) continue;
      const batch = collate([example], model.padTokenId, objective);
      found[i] = (await program.run(batchFeeds(batch, true))).loss.data[0]!;
      if (!Number.isFinite(found[i])) {
        throw new NotFiniteError(
          `The loss of held-out example ${example.index + 1} is ${found[i]}: training has diverged. Lower --lr.`,
        );
      }
      onDone?.(i + 1);
    }
  } finally {
    await program.release();
  }
  await ranks?.sum([found]);
  const losses = new Map<number, WeightedLoss>();
  for (const [i, example] of examples.entries()) {
    const weight = objective.weight(collate([example], model.padTokenId, objective));
    const [sum, weights] = losses.get(example.index) ?? [0, 0];
    losses.set(example.index, [sum + found[i]! * weight, weights + weight]);
  }
  return [...losses.values()];
}

/** Σ w·loss / Σ w: the mean that training lowers. */
export function meanLoss(losses: Iterable<WeightedLoss>): number {
  let [sum, weight] = [0, 0];
  for (const [loss, of] of losses) [sum, weight] = [sum + loss, weight + of];
  return sum / weight;
}
