import type { AdapterPlan } from '../adapters/plan.js';
import type { EncodedExample } from '../engine/batch.js';
import { collate } from '../engine/batching.js';
import { batchFeeds } from '../engine/modelGraph.js';
import type { Parameter } from '../engine/parameters.js';
import { openProgram } from '../engine/program.js';
import { constant, type Dim, ops, type Tensor } from '../graph/index.js';
import type { Model } from '../models/model.js';
import { refuseNotFiniteOutput } from './predictLogits.js';

/** What of a text's tokens is taken for the text [batch, hidden], from states [batch, seq, hidden] and a mask [batch, seq]. */
const poolings = {
  /** The mean of all tokens, padding left out. */
  mean: (states: Tensor, mask: Tensor) => {
    const [batch, seq] = states.shape as [Dim, Dim, Dim];
    const sum = ops.sum(ops.mul(states, ops.reshape(mask, [batch, seq, 1])), { axes: [1], keepDims: false });
    return ops.div(sum, ops.sum(mask, { axes: [1], keepDims: true }));
  },
  /** The first token. */
  cls: (states: Tensor) => {
    const [batch, , hidden] = states.shape as [Dim, Dim, Dim];
    return ops.reshape(ops.slice(states, { axis: 1, start: 0, length: 1 }), [batch, hidden]);
  },
} satisfies Readonly<Record<string, (states: Tensor, mask: Tensor) => Tensor>>;

/** What of a text's tokens is taken for the text. */
export type Pooling = keyof typeof poolings;

/** A model with adapters, compiled to give each text a vector of length 1. */
export interface Embedder {
  /** Vectors [hidden], in the order of the examples: one run for all. Calls may overlap. */
  each(examples: readonly EncodedExample[]): Promise<Float32Array[]>;
  release(): Promise<void>;
}

/** As torch's `normalize` has it. */
const leastNorm = 1e-12;

export async function openEmbedder(
  model: Model,
  options: { plan: AdapterPlan; parameters: readonly Parameter[]; threads: number; pooling: Pooling },
): Promise<Embedder> {
  const program = await openProgram(model, {
    ...options,
    outputs(graph) {
      const { states, attentionMask } = graph.states();
      const [batch, seq] = attentionMask.shape as [Dim, Dim];
      const mask = ops.cast(attentionMask, 'float32');
      const pooled = poolings[options.pooling](ops.reshape(states, [batch, seq, states.shape[1]!]), mask);
      const norm = ops.sqrt(ops.sum(ops.mul(pooled, pooled), { axes: [1], keepDims: true }));
      const least = constant(leastNorm);
      return { vectors: ops.div(pooled, ops.where(ops.greater(norm, least), norm, least)) };
    },
  });
  return {
    async each(examples) {
      if (examples.length === 0) return [];
      const { vectors } = await program.run(batchFeeds(collate(examples, model.padTokenId), false));
      const width = vectors.data.length / examples.length;
      return examples.map(({ index }, i) => {
        const vector = vectors.data.slice(i * width, (i + 1) * width);
        refuseNotFiniteOutput(vector, index);
        return vector;
      });
    },
    release: () => program.release(),
  };
}
