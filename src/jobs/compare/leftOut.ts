import { TooSmallError } from '../../adapters/tooSmall.js';
import { DiffoError } from '../../errors.js';
import { type LoadedModel, loadModel } from '../../models/loading/loadModel.js';
import { withHead } from '../../models/loading/withHead.js';
import { type Reporter, silent } from '../../reporter.js';
import { headOf } from '../../tasks/splits.js';
import type { Task } from '../../tasks/task.js';
import { readConfiguredDam, refuseTooFew } from '../selectModules.js';
import { searchedModel } from '../workspace.js';
import { type CompareConfig, runConfig } from './config.js';
import { type Cell, cellsOf } from './jobs.js';

/** A method that cannot be as small as a budget. */
export interface LeftOut {
  readonly cell: Cell;
  /** Why, as sentences. */
  readonly reason: string;
}

/**
 * The cells of a comparison whose method cannot be as small as their budget. They are told by the models' shapes alone; what
 * else is wrong with a run, that run itself tells.
 */
export async function leftOutOf(
  config: CompareConfig,
  taskOf: (name: string) => Task,
  reporter: Reporter,
  signal: AbortSignal | undefined,
): Promise<LeftOut[]> {
  const cells = cellsOf(config).filter(({ budget }) => budget !== undefined);
  const loaded = new Map<string, LoadedModel | undefined>();
  for (const { model } of cells) {
    if (!loaded.has(model)) loaded.set(model, await unlessWrong(() => loadModel(model, { reporter, signal })));
  }
  const left: LeftOut[] = [];
  for (const cell of cells) {
    const model = loaded.get(cell.model);
    const reason = model && (await unlessWrong(() => tooSmallFor(config, cell, model, taskOf(cell.task.name))));
    if (reason !== undefined) left.push({ cell, reason });
  }
  return left;
}

async function tooSmallFor(
  compare: CompareConfig,
  { model: name, task: compared, method, budget }: Cell,
  loaded: LoadedModel,
  task: Task,
): Promise<string | undefined> {
  const config = runConfig(compare, name, compared, method, { seed: 1, lr: 1, budget });
  const { model: whole } = withHead(loaded, headOf(task, config.method.head), silent);
  const model = searchedModel(whole, config);
  const dam = await readConfiguredDam(model, config.selection);
  try {
    refuseTooFew(model, config, dam);
    return undefined;
  } catch (error) {
    if (error instanceof TooSmallError) return error.message;
    throw error;
  }
}

async function unlessWrong<T>(find: () => Promise<T>): Promise<T | undefined> {
  try {
    return await find();
  } catch (error) {
    if (error instanceof DiffoError) return undefined;
    throw error;
  }
}
