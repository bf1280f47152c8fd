import type { Tensor } from '../graph/index.js';
import { headLinear, linear } from './layers.js';
import type { BatchInputs, BuildHooks, Head } from './model.js';

interface DenseHeadOptions {
  /** transformers' class name. */
  readonly architecture: string;
  readonly hiddenSize: number;
  readonly initializerRange: number;
  /** Dropout before both linear modules. */
  readonly dropout: number;
  readonly activation: (x: Tensor) => Tensor;
  /** Hidden states of the first token of each sequence [batch, hidden]. */
  readonly encode: (inputs: BatchInputs, hooks: BuildHooks) => Tensor;
}

/** `classifier` with two linear modules: RobertaClassificationHead, and those of ELECTRA and MPNet. */
export function denseHead(numLabels: number, options: DenseHeadOptions): Head {
  const { architecture, hiddenSize: hidden, initializerRange: range, dropout, activation, encode } = options;
  return {
    architecture,
    modules: [
      {
        path: 'classifier',
        role: 'head',
        tensors: [
          ...headLinear('classifier.dense', hidden, hidden, range),
          ...headLinear('classifier.out_proj', numLabels, hidden, range),
        ],
      },
    ],
    logits(inputs, hooks) {
      const first = hooks.dropout(encode(inputs, hooks), dropout);
      const dense = hooks.dropout(activation(linear('classifier.dense', first, hooks)), dropout);
      return linear('classifier.out_proj', dense, hooks);
    },
  };
}
