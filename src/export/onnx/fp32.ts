import type { Precision } from './precision.js';
import { Rewriting } from './rewriting.js';

/** Weights as they are. */
export const fp32: Precision = {
  suffix: '',
  apply(graph) {
    const { nodes, inputs, outputs, weights } = graph;
    const rewriting = new Rewriting(graph);
    for (const weight of weights) rewriting.float32(weight);
    return { nodes, inputs, outputs, initializers: rewriting.initializers };
  },
};
