import type { Checkpoint } from '../checkpoint/types.js';
import { ops, type Tensor } from '../graph/index.js';
import { headLinear, layerNorm, linear, normTensors } from './layers.js';
import type { BatchInputs, BuildHooks, Head, HeadModule } from './model.js';
import { bothDiffer } from './outputWeight.js';
import { type ExpectedTensor, findTensor, type Spellings } from './weights.js';

/** The output over the vocabulary of a head for masked tokens. */
interface OutputOptions {
  /** Path of the output. */
  readonly output: string;
  /** False where it is no module, but the embeddings with a bias beside them. */
  readonly isModule?: boolean;
  /** Name of the embeddings that the output is tied to, unless config.json says otherwise. */
  readonly embeddings: string;
  /** `tie_word_embeddings` */
  readonly isTied: boolean;
  /** Tensors that may be its bias, the first that the checkpoint has. */
  readonly biases: readonly string[];
  readonly vocabSize: number;
  /** Width of the embeddings. */
  readonly width: number;
  readonly spellings: Spellings;
}

interface MaskedHeadOptions extends Omit<OutputOptions, 'biases' | 'width'> {
  /** transformers' class name. */
  readonly architecture: string;
  /** Modules between the states and the output, as this head names them. */
  readonly dense: string;
  readonly norm: string;
  /** A tensor that is the output's bias where the output is tied: transformers ties the two. */
  readonly tiedBias?: string | undefined;
  readonly hiddenSize: number;
  /** Width of the embeddings; left out, that of the states. */
  readonly width?: number | undefined;
  readonly epsilon: number;
  readonly initializerRange: number;
  readonly activation: (x: Tensor) => Tensor;
  /** Hidden states of all tokens [batch*seq, hidden]. */
  readonly encode: (inputs: BatchInputs, hooks: BuildHooks) => Tensor;
}

/**
 * …ForMaskedLM: linear, activation, norm, and the embeddings as output, at the positions that are asked for. Linear and norm are
 * pretrained, so that they are trained only where the whole head is or the checkpoint has none; the output never is, and an
 * output's bias that the checkpoint lacks is 0, as in transformers.
 */
export function maskedHead(checkpoint: Checkpoint, options: MaskedHeadOptions): Head {
  const { dense, norm, hiddenSize, initializerRange, epsilon, activation, encode, isTied, tiedBias } = options;
  const { width = hiddenSize } = options;
  const biases = [`${options.output}.bias`, ...(isTied && tiedBias !== undefined ? [tiedBias] : [])];
  const output = outputOf(checkpoint, { ...options, biases, width });
  const pretrained = (path: string, tensors: HeadModule['tensors']): HeadModule => ({ path, role: 'pooler', tensors });
  return {
    architecture: options.architecture,
    modules: [
      pretrained(dense, headLinear(dense, width, hiddenSize, initializerRange)),
      pretrained(norm, newNorm(normTensors(norm, width), width)),
    ],
    ...output.tensors,
    logits(inputs, hooks) {
      const states = wantedStates(encode(inputs, hooks), inputs);
      return output.logits(layerNorm(norm, activation(linear(dense, states, hooks)), epsilon, hooks), hooks);
    },
  };
}

/** A norm as it starts where there is none: scale 1, offset 0. */
export function newNorm(tensors: readonly ExpectedTensor[], size: number): HeadModule['tensors'] {
  const ones = Array.from({ length: size }, () => 1);
  return tensors.map((tensor) => ({
    ...tensor,
    deviation: 0,
    ...(tensor.name.endsWith('weight') ? { start: ones } : {}),
  }));
}

/** The states [rows, hidden] of the positions that are asked for, of all [batch*seq, hidden]. */
export function wantedStates(states: Tensor, { rows }: BatchInputs): Tensor {
  return rows === undefined ? states : ops.gather(states, rows);
}

/** The output over the vocabulary: what it reads of the checkpoint, and logits [rows, vocab]. */
export function outputOf(
  checkpoint: Checkpoint,
  { output, isModule = true, embeddings, isTied, biases, vocabSize, width, spellings }: OutputOptions,
) {
  const name = `${output}.weight`;
  const isOwn = isModule && (!isTied || bothDiffer(checkpoint, embeddings, name, spellings));
  const bias = biases.find((one) => findTensor(checkpoint, one, spellings) !== undefined);
  const tensors: Pick<Head, 'frozen' | 'tied'> = {
    frozen: [
      ...(isOwn ? [{ name, shape: [vocabSize, width] }] : []),
      ...(bias === undefined ? [] : [{ name: bias, shape: [vocabSize] }]),
    ],
    ...(isOwn || !isModule ? {} : { tied: new Map([[name, embeddings]]) }),
  };
  return {
    tensors,
    logits(x: Tensor, hooks: BuildHooks): Tensor {
      const weight = hooks.weight(isModule ? name : embeddings);
      const product = ops.matmul(x, weight, { transB: true });
      const added = bias === undefined ? undefined : hooks.weight(bias);
      if (!isModule) return added === undefined ? product : ops.add(product, added);
      return hooks.adapt({ path: output, x, weight, product, bias: added });
    },
  };
}
