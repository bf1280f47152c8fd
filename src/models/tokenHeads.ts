import type { Tensor } from '../graph/index.js';
import { headLinear, linear } from './layers.js';
import type { BatchInputs, BuildHooks, Head } from './model.js';

interface TokenHeadOptions {
  /** transformers' class name. */
  readonly architecture: string;
  readonly hiddenSize: number;
  readonly initializerRange: number;
  /** Dropout before the linear module. */
  readonly dropout: number;
  /** Default true. */
  readonly bias?: boolean;
  /** Hidden states of all tokens [batch*seq, hidden]. */
  readonly encode: (inputs: BatchInputs, hooks: BuildHooks) => Tensor;
}

/** One linear module `path` over every token: `classifier` of …ForTokenClassification, `qa_outputs` of …ForQuestionAnswering. */
export function tokenHead(path: string, outputs: number, options: TokenHeadOptions): Head {
  const { architecture, hiddenSize, initializerRange, dropout, bias = true, encode } = options;
  const tensors = headLinear(path, outputs, hiddenSize, initializerRange).slice(0, bias ? 2 : 1);
  return {
    architecture,
    modules: [{ path, role: 'head', tensors }],
    logits(inputs, hooks) {
      const states = encode(inputs, hooks);
      return linear(path, dropout === 0 ? states : hooks.dropout(states, dropout), hooks, { bias });
    },
  };
}
