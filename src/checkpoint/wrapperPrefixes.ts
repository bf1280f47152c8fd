import { DiffoError } from '../errors.js';
import type { StoredTensor } from './types.js';

/** What PyTorch's wrappers put before the names of a model's tensors when the wrapper is saved in its place. */
const compiled = /(^|\.)_orig_mod\./g;
const parallel = /^module\./;

/** Tensors under the names that the model itself gives them, and what is to be said of it. */
export interface Unwrapped {
  readonly tensors: ReadonlyMap<string, StoredTensor>;
  readonly notes: readonly string[];
}

/**
 * Takes off what torch.compile (`_orig_mod.`, anywhere) and DataParallel (`module.`, before every name) add.
 * @throws DiffoError where two tensors would have one name
 */
export function withoutWrapperPrefixes(tensors: ReadonlyMap<string, StoredTensor>, folder: string): Unwrapped {
  const own = new Map<string, StoredTensor>();
  const plain = new Map([...tensors.keys()].map((name) => [name, name.replace(compiled, '$1')]));
  const isParallel = tensors.size > 0 && [...plain.values()].every((name) => parallel.test(name));
  for (const [name, tensor] of tensors) {
    const short = isParallel ? plain.get(name)!.replace(parallel, '') : plain.get(name)!;
    const other = own.get(short);
    if (other !== undefined) {
      throw new DiffoError(
        `${folder}: ${tensor.file} and ${other.file} hold "${short}" twice, once under a wrapper's name ("${name}"). Save the model again.`,
      );
    }
    own.set(short, name === short ? tensor : { ...tensor, name: short });
  }
  const wrappers = [
    ...([...plain].some(([name, short]) => name !== short) ? ['torch.compile (_orig_mod.)'] : []),
    ...(isParallel ? ['DataParallel (module.)'] : []),
  ];
  if (wrappers.length === 0) return { tensors, notes: [] };
  const what = `${folder}: the tensors are named as ${wrappers.join(' and ')} saves them; they are read without that prefix.`;
  return { tensors: own, notes: [what] };
}
