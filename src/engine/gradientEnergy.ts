import { grad, ops, type Tensor } from '../graph/index.js';
import type { Model } from '../models/model.js';
import type { Ranks } from '../mpi/ranks.js';
import type { Batch } from './batch.js';
import type { GradientStepOptions } from './gradientStep.js';
import { type AdaptedGraph, batchFeeds } from './modelGraph.js';
import { refuseNotFiniteGradient } from './notFinite.js';
import { type Objective, objectiveRows } from './objective.js';
import { openProgram } from './program.js';

type Options = Pick<GradientStepOptions, 'plan' | 'parameters' | 'gradientCheckpointing' | 'threads'> & {
  readonly objective: Objective;
  /** Matrices of the graph to differentiate by, with names for messages; asked once the graph stands. */
  readonly wrt: (graph: AdaptedGraph) => readonly { readonly name: string; readonly tensor: Tensor }[];
  readonly batches: Iterable<Batch>;
  /** What a batch is called in messages: `batch`, or `example` where each holds one. */
  readonly unit: 'batch' | 'example';
  /** Ranks that take the batches in turns. */
  readonly ranks?: Ranks | undefined;
  readonly signal?: AbortSignal | undefined;
  readonly onBatch?: (done: number, batch: Batch) => void;
};

/**
 * Σ ‖∂L/∂w‖² over batches, L the mean loss of each, dropout off. Squares are summed within the graph: what a gradient
 * takes is free again before the next, and no gradient reaches the host.
 * @returns a number for each of `wrt`, in its order
 * @throws NotFiniteError that names the batch, where a gradient is not finite: a sum would hide it
 */
export async function gradientEnergies(
  model: Model,
  { objective, wrt, batches, unit, ranks, signal, onBatch, ...graph }: Options,
): Promise<Float64Array> {
  let names: { readonly name: string }[] = [];
  const program = await openProgram(model, {
    ...graph,
    outputs(adapted) {
      const loss = objective.loss(adapted.logits(objectiveRows(objective)));
      const tensors = wrt(adapted);
      names = tensors.map(({ name }) => ({ name }));
      const gradients = grad(
        loss,
        tensors.map(({ tensor }) => tensor),
      );
      const energies = gradients.map((one) => ops.sum(ops.mul(one, one), { axes: [0, 1], keepDims: false }));
      return Object.fromEntries(energies.map((energy, i) => [outputName(i), energy]));
    },
  });
  const sums = new Float64Array(names.length);
  let done = 0;
  try {
    for (const batch of batches) {
      signal?.throwIfAborted();
      if (done++ % (ranks?.size ?? 1) !== (ranks?.rank ?? 0)) continue;
      const found = await program.run(batchFeeds(batch, true));
      const energies = names.map((_, i) => found[outputName(i)]!.data);
      refuseNotFiniteGradient(`${unit} ${done}`, names, energies);
      for (const [i, energy] of energies.entries()) sums[i]! += energy[0]!;
      onBatch?.(done, batch);
    }
  } finally {
    await program.release();
  }
  await ranks?.sum([sums]);
  return sums;
}

const outputName = (i: number) => `energy ${i}`;
