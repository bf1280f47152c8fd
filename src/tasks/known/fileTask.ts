import { hubTable } from '../../data/hub/hubTable.js';
import type { Table } from '../../data/readers/table.js';
import { holdOut } from '../../data/stratify.js';
import type { Example, Split, SplitName } from '../../data/types.js';
import { DiffoError } from '../../errors.js';
import { spacedPrompt, withLead } from '../encoding/prompt.js';
import { tableToExamples } from '../rows.js';
import { splitOf } from '../splitOf.js';
import type { Task } from '../task.js';
import type { TaskFactory, TaskOptions } from '../taskOptions.js';
import { type DataFiles, findDataFile } from './dataFile.js';

/** A set without a dev file has this share of its training rows held out for one. */
const HELD_OUT = 0.1;
/** That split is part of the task, like GLUE's, so it never follows `--seed`. */
const SPLIT_SEED = 20230404;

/** Where the rows of a task are on the hub. */
export interface HubSource {
  /** `org/name` of the dataset. */
  readonly repository: string;
  readonly config: string;
  /** The labelled splits there. */
  readonly splits: Partial<Record<SplitName, string>>;
}

/** All that tells one known task from another. */
export interface FileTaskDefinition extends Omit<Task, 'splits' | 'load'>, DataFiles {
  /** The rows of a file. */
  readonly read: (path: string, split: SplitName) => Promise<Table>;
  /** The labelled rows of a table, of a file or of the hub; left out, those of the columns. */
  readonly examples?: ((table: Table) => readonly Example[]) | undefined;
  readonly hub: HubSource;
}

/**
 * Makes the factory of a known task. Its rows come from the data directory where one is given, else from the hub or its
 * local cache. Its prompt may end in a space, see `spacedPrompt`. Where no dev file is named, `dev` is a tenth of the
 * training rows, of each label, and `train` the others.
 */
export function fileTask(definition: FileTaskDefinition): TaskFactory {
  const { folders: _, files, read, examples: readExamples, hub, ...task } = definition;
  const generation = task.generation && spacedPrompt(task.generation);
  const holdsOut = files.train !== undefined && files.dev === undefined;
  const splits = (['train', 'dev', 'test'] as const).filter((each) => files[each] || (each === 'dev' && holdsOut));

  const examplesOf = (table: Table, split: SplitName): readonly Example[] => {
    const told = task.inColumns?.(table) ?? table;
    const rows = readExamples?.(told) ?? tableToExamples(told, task);
    const scored = split === 'train' ? rows : (task.toScore?.(rows) ?? rows);
    return generation ? scored.map((example) => withLead(example, generation)) : scored;
  };
  const load = async (split: SplitName, options: TaskOptions): Promise<Split> => {
    if (!splits.includes(split)) {
      const cure = split === 'train' ? 'Train on a task like it, and score that on this one' : 'Choose another split';
      const there = splits.join(' and ');
      throw new DiffoError(`The task ${task.name} has no labelled ${split} split, only ${there}. ${cure}.`);
    }
    const isPart = holdsOut && split !== 'test';
    const table = await tableOf(definition, isPart ? 'train' : split, options);
    const examples = examplesOf(table, split);
    if (!isPart) return splitOf(task, split, examples, table.path);
    const { kept, heldOut } = holdOut(examples, HELD_OUT, SPLIT_SEED);
    return split === 'train'
      ? splitOf(task, split, kept, `${table.path} (without the tenth held out)`)
      : splitOf(task, split, heldOut, `${table.path} (a tenth held out, always the same)`);
  };
  const shape = { ...task, ...(generation ? { generation } : {}), splits, hub };
  return (options) => ({ ...shape, load: (split) => load(split, options) });
}

/** The rows of a split: of the data directory where there is one, and then never of the hub. */
async function tableOf(definition: FileTaskDefinition, split: SplitName, options: TaskOptions): Promise<Table> {
  const { name, hub, read } = definition;
  if (options.dataDir) return read(findDataFile(definition, split, options.dataDir), split);
  const { repository, config, splits } = hub;
  const itsSplit = splits[split];
  if (itsSplit !== undefined) return hubTable({ repository, config, split: itsSplit }, options);
  throw new DiffoError(
    `The task ${name} has no labelled ${split} split on the hub; choose another split, or give its files with ` +
      '--data-dir or DIFFORA_DATA.',
  );
}
