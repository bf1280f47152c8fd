import type { Checkpoint, StoredTensor } from '../checkpoint/types.js';
import { DiffoError } from '../errors.js';
import { ops, stored, type Tensor } from '../graph/index.js';
import type { Model } from './model.js';

/** A tensor that an architecture expects of its checkpoint. */
export interface ExpectedTensor {
  /** Name as the architecture's own checkpoints spell it. */
  readonly name: string;
  readonly shape: readonly number[];
  /** Scale or offset of a layer norm or RMS norm. */
  readonly isNorm?: true;
  /** A table of embeddings, a row a token or position. */
  readonly isEmbedding?: true;
  /** Read past its module, so that an adapter on that module does nothing, in PEFT either. */
  readonly isBare?: true;
}

/** Spellings under which a file may hold a tensor, most usual first. */
export type Spellings = (name: string) => readonly string[];

const graphTypes = { F32: 'float32', F16: 'float16', BF16: 'bfloat16', F64: 'float64' } as const;

/**
 * Finds every expected tensor in a checkpoint.
 * @returns expected name → name in the file
 * @throws DiffoError that lists what is missing or has another shape
 */
export function matchTensors(
  checkpoint: Checkpoint,
  expected: readonly ExpectedTensor[],
  spellings: Spellings,
): Map<string, string> {
  const found = new Map<string, string>();
  const problems: string[] = [];
  for (const { name, shape } of expected) {
    const [spelling, other] = new Set(spellings(name).filter((candidate) => checkpoint.tensors.has(candidate)));
    const tensor = spelling === undefined ? undefined : checkpoint.tensors.get(spelling);
    if (spelling === undefined || tensor === undefined) problems.push(`${name} is missing`);
    // transformers takes one of them without a word.
    else if (other !== undefined) problems.push(`${spelling} is there twice, also as ${other}`);
    else if (`${tensor.shape}` !== `${shape}`) problems.push(`${spelling} is [${tensor.shape}], not [${shape}]`);
    else if (!(tensor.dtype in graphTypes)) problems.push(`${spelling} has type ${tensor.dtype}, not a float type`);
    else found.set(name, spelling);
  }
  if (problems.length > 0) {
    const shown = problems.slice(0, 5).join('; ');
    const more = problems.length > 5 ? `; and ${problems.length - 5} more` : '';
    throw new DiffoError(
      `${checkpoint.folder}: the weights do not fit config.json: ${shown}${more}. Take a checkpoint of this architecture.`,
    );
  }
  return found;
}

/** The file's tensor of that name, under whichever spelling. */
export function findTensor(checkpoint: Checkpoint, name: string, spellings: Spellings): StoredTensor | undefined {
  return spellings(name)
    .map((spelling) => checkpoint.tensors.get(spelling))
    .find((tensor) => tensor !== undefined);
}

/** The file's tensor of a name of the backbone, or of one that is tied to it. */
export function backboneTensor(model: Pick<Model, 'checkpoint' | 'backbone' | 'tied'>, name: string): StoredTensor {
  return findBackboneTensor(model, name)!;
}

/** The same, or undefined where the backbone has no such name. */
export function findBackboneTensor(
  { checkpoint, backbone, tied }: Pick<Model, 'checkpoint' | 'backbone' | 'tied'>,
  name: string,
): StoredTensor | undefined {
  return checkpoint.tensors.get(backbone.get(tied.get(name) ?? name) ?? '');
}

/** A weight of the file as float32, read in place; other float types are converted in the graph. */
export function storedWeight(tensor: StoredTensor): Tensor {
  const dtype = graphTypes[tensor.dtype as keyof typeof graphTypes];
  return ops.cast(stored(tensor, tensor.shape, dtype), 'float32');
}
