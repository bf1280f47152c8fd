import { createHash } from 'node:crypto';
import type { Split } from '../../data/types.js';
import { flatConfig, freeSettings, type TrainConfig } from '../../settings/config.js';
import type { Task } from '../../tasks/task.js';
import { settingsUnreadBy } from '../taskSettings.js';
import {
  type CompareConfig,
  type ComparedMethod,
  type ComparedTask,
  heldOut,
  type RunOf,
  runConfig,
} from './config.js';

/** One model on one task with one method at one budget: what gets a learning rate, and then a run for each seed. */
export interface Cell {
  readonly model: string;
  readonly task: ComparedTask;
  readonly method: ComparedMethod;
  /** Left out of a method that has the size it has: it stands in the tables of all budgets. */
  readonly budget?: number | undefined;
}

export interface ComparedData {
  readonly task: Task;
  readonly train: Split;
  readonly dev: Split;
}

/** Something to be trained. */
export interface Job {
  readonly kind: 'trial' | 'run';
  readonly cell: Cell;
  readonly seed: number;
  /** Peak learning rate. */
  readonly lr: number;
  readonly config: TrainConfig;
  /** Hash of all that decides what the job gives. */
  readonly key: string;
}

/** Every cell in the order of the tables: models, tasks, budgets, methods. */
export function cellsOf({ models, tasks, budgets, methods }: CompareConfig): Cell[] {
  const ofBudget = (model: string, task: ComparedTask, budget: number) =>
    methods.flatMap((method): Cell[] => {
      if (method.fits) return [{ model, task, method, budget }];
      return budget === budgets[0] ? [{ model, task, method }] : [];
    });
  return models.flatMap((model) => tasks.flatMap((task) => budgets.flatMap((budget) => ofBudget(model, task, budget))));
}

/** True for two cells of the same runs. */
export function isSameCell(one: Cell, other: Cell): boolean {
  const { model, task, method, budget } = one;
  return model === other.model && task === other.task && method === other.method && budget === other.budget;
}

/** The trials of a cell's learning rates, each with every trial seed; none where there is nothing to choose. */
export function trialsOf(config: CompareConfig, cell: Cell, data: ComparedData, code: string): Job[] {
  const { learningRates } = cell.method;
  if (learningRates.length === 1) return [];
  const { trialSeeds, validationShare } = config;
  return learningRates.flatMap((lr) =>
    trialSeeds.map((seed) => makeJob('trial', config, cell, { seed, lr, validationShare }, data, code)),
  );
}

export function runOf(
  config: CompareConfig,
  cell: Cell,
  of: { seed: number; lr: number },
  data: ComparedData,
  code: string,
) {
  return makeJob('run', config, cell, { ...of, ...heldOut(config) }, data, code);
}

function makeJob(
  kind: Job['kind'],
  compare: CompareConfig,
  cell: Cell,
  of: RunOf,
  data: ComparedData,
  code: string,
): Job {
  const without = settingsUnreadBy(data.task);
  const { model, task, method, budget } = cell;
  const config = runConfig(compare, model, task, method, { ...of, budget }, { without });
  return { kind, cell, seed: of.seed, lr: of.lr, config, key: keyOf(kind, config, data, code) };
}

/** How many threads run, where the data lie and what is logged decides no result; which data they are does, by their hashes. */
function keyOf(kind: Job['kind'], config: TrainConfig, data: ComparedData, code: string): string {
  const free: ReadonlySet<string> = new Set(['threads', ...freeSettings]);
  const decisive = Object.fromEntries(Object.entries(flatConfig(config)).filter(([key]) => !free.has(key)));
  const parts = [kind, sorted(decisive), data.train.hash, kind === 'run' ? data.dev.hash : '', code];
  return createHash('sha256').update(JSON.stringify(parts)).digest('hex').slice(0, 24);
}

function sorted(value: object): [string, unknown][] {
  return Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1));
}

/** A folder name for a run, readable and safe. */
export function runName({ cell, seed }: Job, { budgets }: Pick<CompareConfig, 'budgets'>): string {
  const { model, task, method, budget } = cell;
  const size = budget === undefined || budgets.length === 1 ? [] : [String(budget)];
  const parts = [model.split('/').at(-1)!, task.name.split('/').at(-1)!, ...size, method.name, `seed ${seed}`];
  return parts.map((part) => part.replace(/[^A-Za-z0-9.]+/g, '-').toLowerCase()).join('_');
}
