import { adapterMethodNames, adapterMethods, adapterSettings } from '../adapters/registry.js';
import { usageError } from '../errors.js';
import { logTargets } from '../logs/registry.js';
import { selectionMethodSettings, selectionMethods, selectionNames } from '../selection/registry.js';
import { type PreferenceLossName, preferenceLosses, preferenceLossNames } from '../tasks/preference/losses.js';
import { type TaskForm, taskForm } from '../tasks/taskForm.js';
import { type AskedSettings, adapterMethodOf, selectionMethodOf, selectionNameOf, type TrainKey } from './schema.js';

/** What a configuration is for: a whole run, or the choice of modules alone. */
export type RunCommand = 'train' | 'select';

/** A setting that nothing will read. */
export interface IdleSetting {
  readonly key: TrainKey;
  /** Why, and what to do, as sentences. */
  readonly reason: string;
}

/**
 * Which of the settings that were given nothing will read: neither the method, nor the way to choose modules, nor what goes
 * on beside them. What a task of some kind does not read is known once the task is open (jobs/taskSettings.ts).
 * @param given names of the settings that someone wrote down
 */
export function idleSettings(given: readonly TrainKey[], run: AskedSettings, command: RunCommand): IdleSetting[] {
  return given.flatMap((key) => {
    const reason =
      (command === 'select' ? idleInSelect(key, run) : undefined) ??
      idleBeside(key, run) ??
      idleWithAdapter(key, run) ??
      idleInMethod(key, run) ??
      idleInSelection(key, run);
    return reason === undefined ? [] : [{ key, reason }];
  });
}

/** Why a setting of where the rows lie is not read by a task of that name, as a sentence; undefined where it is. */
function idlePlace(key: PlaceKey, task: string): string | undefined {
  const form = taskForm(task);
  const { readers, others } = places[key];
  const other = others[form];
  return other === undefined ? undefined : `${key} is read by ${readers} alone; ${task} is ${other}. Leave it out.`;
}

/** @throws DiffoError (usage) for a place that was given and that a task of that name does not read */
export function refuseIdlePlaces(given: Readonly<Partial<Record<PlaceKey, unknown>>>, task: string): void {
  for (const key of Object.keys(places) as PlaceKey[]) {
    const reason = given[key] === undefined ? undefined : idlePlace(key, task);
    if (reason !== undefined) throw usageError(reason);
  }
}

/** Settings of where the rows of a task lie. */
export type PlaceKey = 'dataDir' | 'textColumn' | 'pairColumn' | 'labelColumn';

interface Place {
  readonly readers: string;
  /** Forms of tasks that do not read it. A name that is none is refused where the task is opened. */
  readonly others: Readonly<Partial<Record<TaskForm, string>>>;
}

const file = { readers: 'known tasks', others: { table: 'a file', description: 'a file' } };
const column = {
  readers: 'data files',
  others: { known: 'a known task with columns of its own', description: 'a task file, which names its columns itself' },
};
const places: Readonly<Record<PlaceKey, Place>> = {
  dataDir: file,
  textColumn: column,
  pairColumn: column,
  labelColumn: column,
};

/** Settings that another one has to stand beside, or may not. */
const beside: Readonly<Partial<Record<TrainKey, (run: AskedSettings) => string | undefined>>> = {
  dataDir: ({ task }) => idlePlace('dataDir', task),
  textColumn: ({ task }) => idlePlace('textColumn', task),
  pairColumn: ({ task }) => idlePlace('pairColumn', task),
  labelColumn: ({ task }) => idlePlace('labelColumn', task),
  validationSeed: ({ validationShare }) => needs('validationSeed', 'validationShare', validationShare),
  scoreOn: ({ validationShare }) => needs('scoreOn', 'validationShare', validationShare),
  validationLoss: ({ validationShare }) => needs('validationLoss', 'validationShare', validationShare),
  anyBase: ({ adapter }) => needs('anyBase', 'adapter', adapter),
  keep: ({ budget }) => replaced('keep', 'budget', budget),
  searchEpochs: ({ searchSteps }) => replaced('searchEpochs', 'searchSteps', searchSteps),
  searchShare: ({ searchSteps, searchEpochs }) =>
    replaced('searchShare', 'searchSteps', searchSteps) ?? replaced('searchShare', 'searchEpochs', searchEpochs),
  priceWeight: ({ price }) => needs('priceWeight', 'price', price),
  earlyStopping: ({ evalSteps }) => withoutEvaluations('earlyStopping counts', evalSteps),
  keepBest: ({ evalSteps }) => withoutEvaluations('keepBest compares', evalSteps),
  cachePrefix: idlePrefix,
  cachePrefixLimit: (run) => idleWithPrefix('cachePrefixLimit', run),
  cachePrefixType: (run) => idleWithPrefix('cachePrefixType', run),
  simpoGamma: ({ loss }) => withLosses('simpoGamma', loss ?? 'none', reads('simpoGamma')),
  desirableWeight: ({ loss }) => loss && withLosses('desirableWeight', loss, reads('desirableWeight')),
  undesirableWeight: ({ loss }) => loss && withLosses('undesirableWeight', loss, reads('undesirableWeight')),
  labelSmoothing: ({ loss }) => loss && withLosses('labelSmoothing', loss, (name) => preferenceLosses[name].smooths),
  keepCheckpoints: ({ saveSteps }) => needs('keepCheckpoints', 'saveSteps', saveSteps),
  logDir: ({ log }) => {
    if (log.some((name) => logTargets[name].isFile)) return undefined;
    const files = Object.entries(logTargets).flatMap(([name, { isFile }]) => (isFile ? [name] : []));
    return `logDir is the folder of logs that are files, and there are none. Give log ${either(files)}, or leave it out.`;
  },
};

const reads = (key: string) => (name: PreferenceLossName) => Object.hasOwn(preferenceLosses[name].usual, key);

/** What some losses of preferences alone read. */
function withLosses(key: TrainKey, loss: string, isRead: (name: PreferenceLossName) => boolean): string | undefined {
  const readers = preferenceLossNames.filter(isRead);
  if (readers.some((name) => name === loss)) return undefined;
  return `${key} is read with loss ${either(readers)}; this run has ${loss === 'none' ? 'no loss named' : `loss ${loss}`}. Leave it out.`;
}

function idleBeside(key: TrainKey, run: AskedSettings): string | undefined {
  return beside[key]?.(run);
}

function needs(key: TrainKey, other: TrainKey, value: unknown): string | undefined {
  return value === undefined ? `${key} is read with ${other} alone. Give ${other}, or leave it out.` : undefined;
}

function replaced(key: TrainKey, other: TrainKey, value: unknown): string | undefined {
  return value === undefined ? undefined : `${other} stands in the place of ${key}. Leave one out.`;
}

function withoutEvaluations(what: string, evalSteps: unknown): string | undefined {
  return evalSteps === undefined
    ? `${what} evaluations, and there are none. Give evalSteps, the steps between two of them.`
    : undefined;
}

/** Where every layer is trained, there is nothing below that could be kept. */
function idlePrefix(run: AskedSettings): string | undefined {
  if (run.cachePrefix === 'none' || run.adapter !== undefined) return undefined;
  const { trainsEveryLayer } = adapterMethodOf(run);
  if (trainsEveryLayer === true) {
    const readers = adapterMethodNames.filter((name) => adapterMethods[name].trainsEveryLayer !== true);
    return readByOthers('cachePrefix', 'method', readers, `method ${run.method}, which trains every layer`);
  }
  if (run.dam !== undefined) return run.share === 'column' ? adaptsEveryLayer('share column') : undefined;
  const selection = selectionMethodOf(run);
  if (selection === undefined) return undefined;
  const share = run.share ?? selection.share;
  if (share === 'column' && Object.hasOwn(selection.settings, 'share')) return adaptsEveryLayer('share column');
  const name = selectionNameOf(run);
  if (name === 'list') return undefined;
  if (!Object.hasOwn(selection.settings, 'scope')) return adaptsEveryLayer(`select ${name}`);
  return run.scope === 'global' ? undefined : adaptsEveryLayer(`scope ${run.scope}`);
}

function adaptsEveryLayer(what: string): string {
  return `cachePrefix keeps what lies below the lowest adapted layer, and ${what} adapts every layer. Leave it out, or take scope global.`;
}

function idleWithPrefix(key: TrainKey, { cachePrefix }: AskedSettings): string | undefined {
  return needs(key, 'cachePrefix', cachePrefix === 'none' ? undefined : cachePrefix);
}

/** Settings that every selection alone reads, whatever its way. */
const readBySelect: ReadonlySet<TrainKey> = new Set([
  'model',
  'task',
  'dataDir',
  'textColumn',
  'pairColumn',
  'labelColumn',
  'maxTrainSamples',
  'validationShare',
  'validationSeed',
  'maxLength',
  'stride',
  'trainOn',
  'chatTemplate',
  'prefix',
  'maxTargetLength',
  'loss',
  'beta',
  'simpoGamma',
  'desirableWeight',
  'undesirableWeight',
  'method',
  'select',
  'seed',
  'threads',
  'reduce',
  'device',
  'precision',
  'saveSteps',
  'keepCheckpoints',
  'memoryLimit',
]);

/** True for a setting that some way to choose modules reads where nothing is trained afterwards. */
export function isReadBySelect(key: TrainKey): boolean {
  return readBySelect.has(key) || selectReaders(key).length > 0;
}

/** The ways to choose modules that read a setting, where nothing is trained afterwards. */
function selectReaders(key: TrainKey): string[] {
  // What the search trained is for the training alone; ranks that differ count in a budget; parameters limit what is kept.
  if (key === 'start') return [];
  const read = key === 'ranks' ? 'budget' : key === 'parameters' ? 'scope' : key;
  return selectionNames.filter((name) => {
    const { settings, reads } = selectionMethods[name];
    return Object.hasOwn(settings, read) || reads.some((one) => one === read);
  });
}

function idleInSelect(key: TrainKey, run: AskedSettings): string | undefined {
  if (readBySelect.has(key)) return undefined;
  const readers = selectReaders(key);
  if (readers.length === 0) {
    return `${key} is read by the training that follows a selection, and here modules are chosen alone. Leave it out.`;
  }
  const name = selectionNameOf(run);
  if (name !== undefined && !readers.includes(name)) return readByOthers(key, 'select', readers, `select ${name}`);
  if (key === 'epochs' || key === 'maxSteps') {
    return replaced(key, 'searchSteps', run.searchSteps) ?? replaced(key, 'searchEpochs', run.searchEpochs);
  }
  return key === 'ranks' ? needs('ranks', 'budget', run.budget) : undefined;
}

/** What an adapter brings along. */
const ofAdapter: ReadonlySet<string> = new Set([
  'head',
  'targets',
  'parameters',
  'saveModules',
  ...Object.keys(adapterSettings),
  ...Object.keys(selectionMethodSettings),
]);

function idleWithAdapter(key: TrainKey, { adapter }: AskedSettings): string | undefined {
  if (adapter === undefined || !ofAdapter.has(key)) return undefined;
  return `${key} is laid down by the adapter that the run goes on from (${adapter}). Leave it out.`;
}

function idleInMethod(key: TrainKey, run: AskedSettings): string | undefined {
  const { settings, places: placed, solved, format } = adapterMethodOf(run);
  const has = `method ${run.method}`;
  if (run.parameters !== undefined && solved?.includes(key)) return `parameters solves for ${key}. Leave one out.`;
  if (key === 'targets' && placed === 'itself') {
    const readers = adapterMethodNames.filter((name) => adapterMethods[name].places !== 'itself');
    return readByOthers(key, 'method', readers, has);
  }
  if (key === 'saveModules' && format.format !== 'peft') {
    const readers = adapterMethodNames.filter((name) => adapterMethods[name].format.format === 'peft');
    return readByOthers(key, 'method', readers, has);
  }
  if (!Object.hasOwn(adapterSettings, key) || Object.hasOwn(settings, key)) return undefined;
  const readers = adapterMethodNames.filter((name) => Object.hasOwn(adapterMethods[name].settings, key));
  return readByOthers(key, 'method', readers, has);
}

function idleInSelection(key: TrainKey, run: AskedSettings): string | undefined {
  if (!Object.hasOwn(selectionMethodSettings, key)) return undefined;
  if (run.dam !== undefined) {
    if (key === 'share') return undefined;
    return `${key} is read where modules are chosen, and dam is a matrix that says so already. Leave it out.`;
  }
  const selection = selectionMethodOf(run);
  if (selection !== undefined && Object.hasOwn(selection.settings, key)) return undefined;
  const readers = selectionNames.filter((name) => Object.hasOwn(selectionMethods[name].settings, key));
  const name = selectionNameOf(run);
  return readByOthers(
    key,
    'select',
    readers,
    name === undefined ? `method ${run.method} without select` : `select ${name}`,
  );
}

/** `loraPlusRatio is read by method loraplus alone; this run has method lora. Leave it out.` */
function readByOthers(key: TrainKey, what: 'method' | 'select', readers: readonly string[], has: string): string {
  const who = readers.length === 1 ? `${what} ${readers[0]} alone` : `${what} ${either(readers)}`;
  return `${key} is read by ${who}; this run has ${has}. Leave it out.`;
}

function either(names: readonly string[]): string {
  return names.length < 2 ? names.join('') : `${names.slice(0, -1).join(', ')} or ${names.at(-1)}`;
}
