import { existsSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import * as z from 'zod';
import { adapterMethods } from '../../adapters/registry.js';
import { nearestNames, usageError } from '../../errors.js';
import { firstFault } from '../../files/faults.js';
import { selectionMethods } from '../../selection/registry.js';
import {
  adapterMethodName,
  adapterMethodOf,
  parseTrainConfig,
  selectionMethodOf,
  type TrainConfig,
  trainKeys,
  trainSchema,
  unreadSettings,
} from '../../settings/config.js';
import { checkRanges, type Drawn, drawn, type TuneConfig, tuneSchema } from './tune.js';

const settings = z.looseObject({});
const rates = z.array(z.number().positive()).min(1);

/** What of a method's settings the comparison itself reads. */
const choiceSchema = trainSchema
  .pick({ method: true, select: true })
  .partial()
  .extend({ learningRates: rates.optional() });

const compareSchema = z.strictObject({
  /** Heading of the tables. */
  title: z.string().optional(),
  models: z.array(z.string()).min(1).optional(),
  /** Known tasks or files; an entry with settings of its own has the name under `task`. */
  tasks: z.array(z.union([z.string(), settings])).min(1),
  /** Methods, by name or with settings. */
  methods: z.array(z.union([z.string(), settings])).min(1),
  seeds: z.array(z.int().nonnegative()).min(1).default([1, 2, 3]),
  /** Trainable numbers of every method's adapters, head apart. */
  budget: z.int().positive().optional(),
  /** In the place of one budget: several, each with cells and tables of its own. */
  budgets: z.array(z.int().positive()).min(1).optional(),
  /** Share by which a method may miss the budget before it is marked. */
  tolerance: z.number().positive().default(0.02),
  /** Learning rates tried for every method that has no list of its own. One: nothing is tried. */
  learningRates: rates.optional(),
  /** In the place of a list of rates: settings drawn for each trial. */
  tune: tuneSchema.optional(),
  /** `validation`: runs are scored on held-out training examples, the same for all, and the dev split is left alone. */
  scoreOn: z.enum(['dev', 'validation']).default('dev'),
  /**
   * Report the loss of held-out training examples, the same for all runs, beside the metrics: it tells runs apart that give the
   * same answers.
   */
  validationLoss: z.boolean().default(false),
  /** Share of the training examples held out to choose the learning rate on, and for `validationLoss`. */
  validationShare: z.number().gt(0).lt(1).default(0.1),
  /** Seeds of the trials of a rate. The first chooses, too, what is held out of all runs. Default: 1. */
  trialSeeds: z.array(z.int().nonnegative()).min(1).optional(),
  /** One of them. */
  trialSeed: z.int().nonnegative().optional(),
  /** Name of the method that the others are compared with; default: the last. */
  reference: z.string().optional(),
  /** Settings of all runs, as for train. */
  settings: settings.default({}),
});

/** Tried where nothing is said. */
const usualRates = [2e-4, 5e-4, 1e-3];

/** A method of a comparison. */
export interface ComparedMethod {
  readonly name: string;
  readonly settings: Readonly<Record<string, unknown>>;
  /** Tried one by one; one where nothing is tried, none where the rate is drawn. */
  readonly learningRates: readonly number[];
  /** Whether its size can follow the budget. */
  readonly fits: boolean;
}

export interface ComparedTask {
  readonly name: string;
  readonly settings: Readonly<Record<string, unknown>>;
}

/** A checked comparison. */
export interface CompareConfig {
  readonly title: string;
  readonly models: readonly string[];
  readonly tasks: readonly ComparedTask[];
  readonly methods: readonly ComparedMethod[];
  readonly seeds: readonly number[];
  /** One or more. */
  readonly budgets: readonly number[];
  readonly tolerance: number;
  readonly scoreOn: 'dev' | 'validation';
  readonly validationLoss: boolean;
  readonly validationShare: number;
  /** One or more. */
  readonly trialSeeds: readonly number[];
  /** What is drawn for each trial; left out, rates of a list are tried. */
  readonly tune?: TuneConfig | undefined;
  readonly reference: string;
  readonly settings: Readonly<Record<string, unknown>>;
}

/** Settings that the comparison itself lays down. */
const taken = [
  'seed',
  'lr',
  'parameters',
  'budget',
  'validationShare',
  'validationSeed',
  'scoreOn',
  'validationLoss',
  'model',
  'task',
] as const;

/** What no trial draws. */
const notDrawn = [...taken.filter((key) => key !== 'lr'), 'method', 'select'] as const;

/**
 * Checks a comparison and every run that it asks for.
 * @param file its path, for messages; paths in it are relative to its folder
 * @throws DiffoError (usage) that names the file and the entry
 */
export function parseCompareConfig(raw: unknown, file: string): CompareConfig {
  const parsed = compareSchema.safeParse(raw);
  if (!parsed.success) throw usageError(`${file}: ${firstFault(parsed.error, compareSchema, raw, 'a comparison')}.`);
  const { title, models, seeds, budget, budgets: several, trialSeed, ...rest } = parsed.data;
  const budgets = budgetsOf(budget, several, file);
  refuseTaken(rest.settings, `${file}: settings`);
  const tasks = rest.tasks.map((entry, i): ComparedTask => {
    const where = `${file}: tasks[${i}]`;
    const { task, ...own } = typeof entry === 'string' ? { task: entry } : entry;
    if (typeof task !== 'string') throw usageError(`${where}: "task" is missing: a known task or a file.`);
    refuseTaken(own, where);
    return { name: beside(file, task), settings: own };
  });
  const learningRates = ratesOf(rest, file);
  const methods = rest.methods.map((entry, i) => methodOf(entry, learningRates, `${file}: methods[${i}]`));
  refuseTwins(tasks, 'task', file);
  refuseTwins(methods, 'method', file);
  if (new Set(seeds).size < seeds.length) throw usageError(`${file}: seeds: a seed is named twice.`);
  if (new Set(budgets).size < budgets.length) throw usageError(`${file}: budgets: a budget is named twice.`);
  if (trialSeed !== undefined && rest.trialSeeds !== undefined) {
    throw usageError(`${file}: trialSeed is one, and trialSeeds are several. Leave one out.`);
  }
  const trialSeeds = rest.trialSeeds ?? [trialSeed ?? 1];
  if (new Set(trialSeeds).size < trialSeeds.length) throw usageError(`${file}: trialSeeds: a seed is named twice.`);
  const [first, ...others] = methods;
  const uneven = others.find((one) => one.learningRates.length !== first!.learningRates.length);
  if (uneven !== undefined) {
    const counts = `${uneven.name} has ${uneven.learningRates.length}, ${first!.name} has ${first!.learningRates.length}`;
    throw usageError(`${file}: every method gets the same number of learning rates: ${counts}.`);
  }
  if (rest.scoreOn === 'validation' && (first!.learningRates.length > 1 || rest.tune !== undefined)) {
    throw usageError(
      `${file}: with scoreOn validation the rates would be chosen by what is scored. Give each method one learning rate, and tune nothing.`,
    );
  }
  const reference = rest.reference ?? methods.at(-1)!.name;
  if (!methods.some(({ name }) => name === reference)) {
    const names = methods.map(({ name }) => name);
    throw usageError(
      `${file}: reference "${reference}" is no method here; nearest: ${nearestNames(reference, names, 2).join(', ')}.`,
    );
  }
  const config: CompareConfig = {
    ...rest,
    title: title ?? 'Comparison',
    models: (models ?? [trainSchema.shape.model.parse(undefined)]).map((model) => beside(file, model)),
    tasks,
    methods,
    seeds,
    budgets,
    trialSeeds,
    reference,
  };
  const trials = candidatesOf(config, methods[0]!);
  for (const [i, candidate] of trials.entries()) {
    const where = config.tune === undefined ? file : `${file}: tune, trial ${i + 1}`;
    for (const task of tasks) {
      for (const method of methods) {
        runConfig(config, config.models[0]!, task, method, { seed: 1, ...candidate }, { file: where });
      }
    }
    if (config.tune === undefined) break;
  }
  refuseUnread(config, file);
  return config;
}

/** What is tried for a method that has no list of its own. */
function ratesOf(
  { tune, learningRates }: Pick<z.output<typeof compareSchema>, 'tune' | 'learningRates'>,
  file: string,
): readonly number[] {
  if (tune === undefined) return learningRates ?? usualRates;
  const known = trainKeys.filter((key) => !notDrawn.some((one) => one === key));
  for (const key of Object.keys(tune.ranges)) {
    if ((known as readonly string[]).includes(key)) continue;
    const why = (notDrawn as readonly string[]).includes(key)
      ? 'is laid down by the comparison (models, tasks, methods, seeds, budget)'
      : `is not a setting; nearest: ${nearestNames(key, known, 2).join(', ')}`;
    throw usageError(`${file}: tune.ranges: "${key}" ${why}.`);
  }
  checkRanges(tune, `${file}: tune.ranges`);
  if ('lr' in tune.ranges) {
    if (learningRates === undefined) return [];
    throw usageError(`${file}: learningRates are tried one by one, and tune.ranges draws lr. Leave one out.`);
  }
  if (learningRates?.length === 1) return learningRates;
  throw usageError(`${file}: tune draws no lr: give one rate under learningRates, or a range under tune.ranges.lr.`);
}

/** Settings tried for a method: what is drawn, but for what it says itself, and the rate. */
export interface Candidate {
  readonly lr: number;
  readonly drawn: Drawn;
}

/** The candidates of a method, in the order in which they are tried. Every method gets the same draws. */
export function candidatesOf({ tune, trialSeeds }: CompareConfig, { learningRates }: ComparedMethod): Candidate[] {
  if (tune === undefined) return learningRates.map((lr) => ({ lr, drawn: {} }));
  return drawn(tune, trialSeeds[0]!).map(({ lr = learningRates[0], ...rest }) => ({ lr: lr as number, drawn: rest }));
}

function budgetsOf(budget: number | undefined, budgets: readonly number[] | undefined, file: string) {
  if (budget !== undefined && budgets !== undefined) {
    throw usageError(`${file}: budget is one, and budgets are several. Leave one out.`);
  }
  if (budgets !== undefined) return budgets;
  if (budget !== undefined) return [budget];
  throw usageError(`${file}: budget is missing; it takes a whole number above 0. A list of them stands under budgets.`);
}

/**
 * A setting of all runs has to be read in one of them at least; one of a task, in a run of that task; one of a method, in
 * a run of that method. In the other runs it is left out.
 * @throws DiffoError (usage) that names the entry
 */
function refuseUnread(config: CompareConfig, file: string): void {
  const unread = config.tasks.flatMap((task) =>
    config.methods.map((method) => {
      const all = settingsOfRun(config, config.models[0]!, task, method, {
        seed: 1,
        ...candidatesOf(config, method)[0]!,
      });
      const reasons = new Map<string, string>(unreadSettings(all, file).map(({ key, reason }) => [key, reason]));
      return { task, method, reasons };
    }),
  );
  refuseIdle(config, `${file}: `, (key, task, method) =>
    unread.find((one) => one.task === task && one.method === method)!.reasons.get(key),
  );
}

/**
 * Holds every setting of a comparison to the runs that it is written for.
 * @param reasonOf why a run of a task and a method does not read a setting; undefined where it does
 * @throws DiffoError (usage) that names the entry of a setting that none of its runs reads
 */
export function refuseIdle(
  { settings: common, tasks, methods, tune }: CompareConfig,
  prefix: string,
  reasonOf: (key: string, task: ComparedTask, method: ComparedMethod) => string | undefined,
): void {
  const refuse = (
    given: Readonly<Record<string, unknown>>,
    where: string,
    ofTasks: readonly ComparedTask[],
    ofMethods: readonly ComparedMethod[],
  ) => {
    for (const key of Object.keys(given)) {
      const reasons = ofTasks.flatMap((task) => ofMethods.map((method) => reasonOf(key, task, method)));
      if (!reasons.includes(undefined)) throw usageError(`${prefix}${where}: ${reasons[0]}`);
    }
  };
  refuse(common, 'settings', tasks, methods);
  refuse(tune?.ranges ?? {}, 'tune.ranges', tasks, methods);
  for (const task of tasks) refuse(task.settings, `task "${task.name}"`, [task], methods);
  for (const method of methods) refuse(method.settings, `method "${method.name}"`, tasks, [method]);
}

/** What tells runs of a cell apart, and what of the training examples is held out. */
export interface RunOf {
  readonly seed: number;
  readonly lr: number;
  /** Settings that neither the task nor the method says itself. */
  readonly drawn?: Drawn | undefined;
  readonly validationShare?: number;
  readonly validationSeed?: number;
  readonly scoreOn?: 'dev' | 'validation';
  readonly validationLoss?: boolean;
  /** Trainable numbers of a method whose size can follow; default: the first budget. */
  readonly budget?: number | undefined;
}

/** What is held out of every run; nothing where the dev split is scored and no loss reported. */
export function heldOut({
  scoreOn,
  validationLoss,
  validationShare,
  trialSeeds,
}: CompareConfig): Omit<RunOf, 'seed' | 'lr' | 'drawn' | 'budget'> {
  if (scoreOn === 'dev' && !validationLoss) return {};
  const held = { validationShare, validationSeed: trialSeeds[0]! };
  if (!validationLoss) return held;
  return { ...held, validationLoss, ...(scoreOn === 'dev' ? { scoreOn } : {}) };
}

/**
 * Of what was drawn for a candidate, what a run reads, and neither its task nor its method says itself.
 * @param without settings that the task does not read
 */
export function drawnFor(
  config: CompareConfig,
  { model, task, method }: { readonly model: string; readonly task: ComparedTask; readonly method: ComparedMethod },
  candidate: Candidate,
  without: readonly string[],
): Drawn {
  const all = settingsOfRun(config, model, task, method, { seed: 1, ...candidate });
  const unread = new Set<string>([...without, ...unreadSettings(all, 'The comparison').map(({ key }) => key)]);
  const isRead = (key: string) => !(key in task.settings) && !(key in method.settings) && !unread.has(key);
  return Object.fromEntries(Object.entries(candidate.drawn).filter(([key]) => isRead(key)));
}

/** What one run of the comparison trains. @param without settings that the task does not read */
export function runConfig(
  config: CompareConfig,
  model: string,
  task: ComparedTask,
  method: ComparedMethod,
  of: RunOf,
  { file = 'The comparison', without = [] }: { readonly file?: string; readonly without?: readonly string[] } = {},
): TrainConfig {
  const written = Object.entries(settingsOfRun(config, model, task, method, of));
  const all = Object.fromEntries(written.filter(([key]) => !without.includes(key)));
  return parseTrainConfig(all, `${file}: method "${method.name}" on ${task.name}`, { idle: 'drop' });
}

/** What is written down of a run: for all, what is drawn, then for its task, then for its method. */
function settingsOfRun(
  config: CompareConfig,
  model: string,
  task: ComparedTask,
  method: ComparedMethod,
  { budget = config.budgets[0], drawn = {}, ...of }: RunOf,
): Readonly<Record<string, unknown>> {
  return {
    ...config.settings,
    ...drawn,
    ...task.settings,
    ...method.settings,
    model,
    task: task.name,
    ...(method.fits ? { parameters: budget } : {}),
    ...of,
  };
}

function methodOf(
  entry: string | Readonly<Record<string, unknown>>,
  learningRates: readonly number[],
  where: string,
): ComparedMethod {
  const { name, learningRates: own, ...given } = typeof entry === 'string' ? { method: entry } : entry;
  refuseTaken(given, where);
  if (own !== undefined && learningRates.length === 0) {
    throw usageError(`${where}: learningRates: the rate is drawn (tune.ranges.lr), for every method alike.`);
  }
  const shared = ['metrics', 'maxEvalSamples'].find((key) => key in given);
  if (shared !== undefined)
    throw usageError(`${where}: "${shared}" is the same for all methods: set it in settings or with a task.`);
  const said = { ...pick(given, ['method', 'select']), ...(own === undefined ? {} : { learningRates: own }) };
  const choice = choiceSchema.safeParse(said);
  if (!choice.success) throw usageError(`${where}: ${firstFault(choice.error, choiceSchema, said)}.`);
  // All modules at lower ranks is what the budget makes of LoRA by itself.
  const { select, ...rest } = given;
  const method = { method: choice.data.method ?? 'diffora', select: choice.data.select };
  const { fit, title } = adapterMethodOf(method);
  const selection = selectionMethodOf(method);
  const titles = method.method === 'diffora' ? 'DiffoRA' : [title, selection?.title].filter(Boolean).join(', ');
  return {
    name: typeof name === 'string' ? name : titles,
    settings:
      select === 'uniform' ? { ...rest, method: adapterMethodName(method) } : { ...given, method: method.method },
    learningRates: choice.data.learningRates ?? learningRates,
    fits: fit !== undefined,
  };
}

function refuseTaken(given: Readonly<Record<string, unknown>>, where: string): void {
  const known = [...trainKeys, 'name', 'learningRates'];
  for (const key of Object.keys(given)) {
    if ((taken as readonly string[]).includes(key)) {
      throw usageError(
        `${where}: "${key}" is laid down by the comparison (models, tasks, seeds, budget, learningRates).`,
      );
    }
    if (!known.includes(key)) {
      throw usageError(`${where}: "${key}" is not a setting; nearest: ${nearestNames(key, known, 2).join(', ')}.`);
    }
  }
}

function refuseTwins(entries: readonly { readonly name: string }[], what: string, file: string): void {
  const names = entries.map(({ name }) => name);
  const twin = names.find((name, i) => names.indexOf(name) !== i);
  if (twin !== undefined)
    throw usageError(`${file}: the ${what} "${twin}" stands there twice. Give each a name of its own.`);
}

/** Files are named relative to the configuration, other names are left as they are. */
function beside(file: string, name: string): string {
  const path = resolve(dirname(file), name);
  return existsSync(path) && /[./]/.test(name) ? path : name;
}

function pick(given: Readonly<Record<string, unknown>>, keys: readonly string[]) {
  return Object.fromEntries(keys.filter((key) => given[key] !== undefined).map((key) => [key, given[key]]));
}

/** For the help of the command: what may stand under `methods`. */
export const comparableMethods = ['diffora', ...Object.keys(adapterMethods)];
export const comparableSelections = Object.keys(selectionMethods);
