import { ops, type Tensor } from '../graph/index.js';
import { headLinear, linear } from './layers.js';
import type { BatchInputs, BuildHooks, Head } from './model.js';

interface PooledHeadOptions {
  /** transformers' class name. */
  readonly architecture: string;
  /** Module that holds the pooler, and the linear module in it, which may be the same. */
  readonly pooler: string;
  readonly dense: string;
  readonly hiddenSize: number;
  readonly initializerRange: number;
  /** Dropout before the classifier. */
  readonly dropout: number;
  /** Hidden states of the first token of each sequence [batch, hidden]. */
  readonly encode: (inputs: BatchInputs, hooks: BuildHooks) => Tensor;
}

/** …ForSequenceClassification of BERT and its like: pooler (linear and tanh of the first token), dropout, `classifier`. */
export function pooledHead(numLabels: number, options: PooledHeadOptions): Head {
  const { architecture, pooler, dense, hiddenSize: hidden, initializerRange: range, dropout, encode } = options;
  return {
    architecture,
    modules: [
      { path: 'classifier', role: 'head', tensors: headLinear('classifier', numLabels, hidden, range) },
      { path: pooler, role: 'pooler', tensors: headLinear(dense, hidden, hidden, range) },
    ],
    logits(inputs, hooks) {
      const pooled = ops.tanh(linear(dense, encode(inputs, hooks), hooks));
      return linear('classifier', hooks.dropout(pooled, dropout), hooks);
    },
  };
}
