import type { AdapterPlan } from '../adapters/plan.js';
import type { EncodedExample } from '../engine/batch.js';
import { collate } from '../engine/batching.js';
import { batchFeeds } from '../engine/modelGraph.js';
import type { Parameter } from '../engine/parameters.js';
import { openProgram } from '../engine/program.js';
import { onTokens, tokenFeeds } from '../engine/tokenRows.js';
import type { Model } from '../models/model.js';
import { textVectors, type VectorOptions } from '../models/pooling.js';
import { refuseNotFiniteOutput } from './predictLogits.js';

/** A model with adapters, compiled to give each text a vector. */
export interface Embedder {
  /** Vectors [hidden], in the order of the examples: one run for all. Calls may overlap. */
  each(examples: readonly EncodedExample[]): Promise<Float32Array[]>;
  release(): Promise<void>;
}

export async function openEmbedder(
  model: Model,
  options: { plan: AdapterPlan; parameters: readonly Parameter[]; threads: number; vectors: VectorOptions },
): Promise<Embedder> {
  const program = await openProgram(model, {
    ...options,
    outputs(graph) {
      const { states, attentionMask } = graph.states();
      return { vectors: onTokens(textVectors(states, attentionMask, options.vectors)) };
    },
  });
  return {
    async each(examples) {
      if (examples.length === 0) return [];
      const batch = collate(examples, model.padTokenId);
      const { vectors } = await program.run({ ...batchFeeds(batch, false), ...tokenFeeds(batch) });
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
