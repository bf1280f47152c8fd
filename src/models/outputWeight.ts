import type { Checkpoint } from '../checkpoint/types.js';
import type { Head } from './model.js';
import { findTensor, type Spellings } from './weights.js';

/** Of the module that turns states into logits of the vocabulary. */
export const outputName = 'lm_head.weight';

/** The weight of a decoder's output, and what it is tied to. */
export interface OutputWeight {
  /** The tensor that logits come from: {@link outputName}, or the embeddings. Compares them where a file has both. */
  name(): string;
  /** Spellings of the backbone's tensors: of the embeddings also the output, where they are tied and it alone is stored. */
  readonly spellings: Spellings;
}

/**
 * As transformers ties weights (`PreTrainedModel.tie_weights`): whichever is stored stands for both; where both are and
 * differ, config.json is wrong, and each is what it is.
 * @param of.isTied `tie_word_embeddings`
 * @param of.embeddings name of the embeddings, which begins with `prefix`
 */
export function outputWeight(
  checkpoint: Checkpoint,
  of: { readonly isTied: boolean; readonly embeddings: string; readonly prefix: string },
): OutputWeight {
  const { isTied, embeddings, prefix } = of;
  const bare = (name: string) => (name.startsWith(prefix) ? [name, name.slice(prefix.length)] : [name]);
  const isOutputAlone = isTied && findTensor(checkpoint, embeddings, bare) === undefined;
  let name: string | undefined;
  return {
    name() {
      name ??= isTied && !bothDiffer(checkpoint, embeddings, outputName, bare) ? embeddings : outputName;
      return name;
    },
    spellings: (tensor) => (isOutputAlone && tensor === embeddings ? [outputName] : bare(tensor)),
  };
}

/** What a head over the vocabulary reads: a tensor of its own, or one that the embeddings stand for. */
export function outputTensors(output: OutputWeight, shape: readonly number[]): Pick<Head, 'frozen' | 'tied'> {
  const name = output.name();
  return name === outputName ? { frozen: [{ name, shape }] } : { tied: new Map([[outputName, name]]) };
}

/** True where a file has embeddings and an output, and the two are not the same. */
export function bothDiffer(checkpoint: Checkpoint, embeddings: string, output: string, spellings: Spellings): boolean {
  const [input, own] = [findTensor(checkpoint, embeddings, spellings), checkpoint.tensors.get(output)];
  return input !== undefined && own !== undefined && !checkpoint.machine.isSame(input, own);
}
