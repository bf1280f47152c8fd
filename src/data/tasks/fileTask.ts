import { DiffoError } from '../../errors.js';
import { spacedPrompt } from '../prompt.js';
import { makeSplit } from '../split.js';
import { holdOut } from '../stratify.js';
import type { Example, Split, SplitName, Task } from '../types.js';
import { type DataFiles, findDataFile } from './dataFile.js';
import type { TaskFactory } from './task.js';

/** A set without a dev file has this share of its training rows held out for one. */
const HELD_OUT = 0.1;
/** That split is part of the task, like GLUE's, so it never follows `--seed`. */
const SPLIT_SEED = 20230404;

/** All that tells one task of files from another. */
export interface FileTaskDefinition extends Omit<Task, 'splits' | 'load'>, DataFiles {
  readonly name: string;
  /** The labelled rows of a file. */
  readonly read: (path: string, split: SplitName) => Promise<readonly Example[]>;
}

/**
 * Makes the factory of a task whose files are no table of sentences. Its prompt may end in a space, see `spacedPrompt`.
 * Where no dev file is named, `dev` is a tenth of the training rows, of each label, and `train` the others.
 */
export function fileTask({ folders, files, read, ...task }: FileTaskDefinition): TaskFactory {
  const spaced = task.generation && spacedPrompt(task.generation);
  const holdsOut = files.train !== undefined && files.dev === undefined;
  const splits = (['train', 'dev', 'test'] as const).filter((each) => files[each] || (each === 'dev' && holdsOut));

  const load = async (split: SplitName, dataDir: string | undefined): Promise<Split> => {
    if (!splits.includes(split)) {
      const cure = split === 'train' ? 'Train on a task like it, and score that on this one' : 'Choose another split';
      throw new DiffoError(`The task ${task.name} has no ${split} split, only ${splits.join(' and ')}. ${cure}.`);
    }
    const isPart = holdsOut && split !== 'test';
    const path = findDataFile({ name: task.name, folders, files }, isPart ? 'train' : split, dataDir);
    const rows = await read(path, split);
    const examples = spaced ? rows.map(spaced.follow) : rows;
    if (!isPart) return makeSplit(split, examples, path, task);
    const { kept, heldOut } = holdOut(examples, HELD_OUT, SPLIT_SEED);
    return split === 'train'
      ? makeSplit(split, kept, `${path} (without the tenth held out)`, task)
      : makeSplit(split, heldOut, `${path} (a tenth held out, always the same)`, task);
  };
  const shape = { ...task, ...(spaced ? { generation: spaced.generation } : {}), splits };
  return ({ dataDir }) => ({ ...shape, load: (split) => load(split, dataDir) });
}
