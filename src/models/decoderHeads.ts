import { ops, type Tensor } from '../graph/index.js';
import { lastTokens, linear } from './layers.js';
import type { BatchInputs, BuildHooks, Head } from './model.js';
import { type OutputWeight, outputTensors } from './outputWeight.js';

type States = (inputs: BatchInputs, hooks: BuildHooks) => Tensor;

/** …ForCausalLM, …ForConditionalGeneration: the next token by `lm_head`, which is not trained, or by the embeddings where they are tied. */
export function causalHead(of: {
  /** transformers' class name. */
  readonly architecture: string;
  readonly output: OutputWeight;
  /** [vocab, width] */
  readonly shape: readonly number[];
  readonly states: States;
  readonly logits: (states: Tensor, hooks: BuildHooks) => Tensor;
}): Head {
  return {
    architecture: of.architecture,
    modules: [],
    ...outputTensors(of.output, of.shape),
    logits(inputs, hooks) {
      const all = of.states(inputs, hooks);
      return of.logits(inputs.rows === undefined ? all : ops.gather(all, inputs.rows), hooks);
    },
  };
}

/** …ForSequenceClassification of a decoder: `score` of the last token. */
export function lastTokenHead(
  numLabels: number,
  of: {
    readonly architecture: string;
    readonly hiddenSize: number;
    readonly initializerRange: number;
    readonly states: States;
  },
): Head {
  const tensor = { name: 'score.weight', shape: [numLabels, of.hiddenSize], deviation: of.initializerRange };
  return {
    architecture: of.architecture,
    modules: [{ path: 'score', role: 'head', tensors: [tensor] }],
    logits: (inputs, hooks) => linear('score', lastTokens(of.states(inputs, hooks), inputs), hooks, { bias: false }),
  };
}

/** Logits of the vocabulary by a module of that name. */
export function vocabularyLogits(states: Tensor, hooks: BuildHooks): Tensor {
  return linear('lm_head', states, hooks, { bias: false });
}
