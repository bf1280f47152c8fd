import { createHash } from 'node:crypto';
import { splitHash } from '../../data/split.js';
import type { Split } from '../../data/types.js';
import { flatConfig, freeSettings, type TrainConfig } from '../../settings/config.js';
import type { Task } from '../../tasks/task.js';
import { settingsUnreadBy } from '../taskSettings.js';
import {
  type Candidate,
  type CompareConfig,
  type ComparedMethod,
  type ComparedTask,
  candidatesOf,
  drawnFor,
  heldOut,
  type RunOf,
  runConfig,
} from './config.js';
import { type Drawn, type Round, roundsOf } from './tune.js';

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
  /** What else was drawn for it, and is read in its runs. */
  readonly drawn: Drawn;
  /** Of a trial that is shorter than a run: its length as a share of one. */
  readonly share?: number | undefined;
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

/** What is tried in a cell, each once, and the rounds of its trials; no round where there is nothing to choose. */
export function plannedTrials(config: CompareConfig, cell: Cell, data: ComparedData) {
  const different = new Map<string, Candidate>();
  for (const candidate of candidatesOf(config, cell.method)) {
    const read = drawnFor(config, cell, candidate, settingsUnreadBy(data.task));
    const key = JSON.stringify([candidate.lr, sorted(read)]);
    if (!different.has(key)) different.set(key, { lr: candidate.lr, drawn: read });
  }
  const candidates = [...different.values()];
  return { candidates, rounds: roundsOf(candidates.length, config.tune?.factor ?? 1) };
}

/** The trials of a candidate in a round, one for each trial seed. */
export function trialsOf(
  config: CompareConfig,
  cell: Cell,
  candidate: Candidate,
  { share }: Pick<Round, 'share'>,
  data: ComparedData,
  code: string,
): Job[] {
  const { trialSeeds, validationShare } = config;
  return trialSeeds.map((seed) =>
    makeJob('trial', config, cell, { ...candidate, seed, validationShare }, data, code, share),
  );
}

export function runOf(
  config: CompareConfig,
  cell: Cell,
  of: Candidate & { readonly seed: number },
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
  share = 1,
): Job {
  const without = settingsUnreadBy(data.task);
  const { model, task, method, budget } = cell;
  const config = shortened(runConfig(compare, model, task, method, { ...of, budget }, { without }), share);
  const { seed, lr, drawn = {} } = of;
  const key = keyOf(kind, config, data, code);
  return { kind, cell, seed, lr, drawn, ...(share === 1 ? {} : { share }), config, key };
}

/** The same for a share of the epochs, and of the steps where they are said. */
function shortened(config: TrainConfig, share: number): TrainConfig {
  if (share === 1) return config;
  const { epochs, maxSteps } = config.optimisation;
  const steps = maxSteps === undefined ? {} : { maxSteps: Math.max(1, Math.round(share * maxSteps)) };
  return { ...config, optimisation: { ...config.optimisation, epochs: share * epochs, ...steps } };
}

/** How many threads run, where the data lie and what is logged decides no result; which data they are does, by their hashes. */
function keyOf(kind: Job['kind'], config: TrainConfig, data: ComparedData, code: string): string {
  const free: ReadonlySet<string> = new Set(['threads', ...freeSettings]);
  const decisive = Object.fromEntries(Object.entries(flatConfig(config)).filter(([key]) => !free.has(key)));
  const parts = [kind, sorted(decisive), splitHash(data.train), kind === 'run' ? splitHash(data.dev) : '', code];
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
