import * as z from 'zod';
import {
  type AdapterMethodName,
  type AdapterSettings,
  adapterSettings,
  withAdapterDefaults,
} from '../adapters/registry.js';
import { nearestNames, usageError } from '../errors.js';
import { faultOf } from '../files/faults.js';
import { isJsonObject } from '../files/jsonText.js';
import type { Sharing } from '../selection/dam.js';
import type { SelectionMethod } from '../selection/method.js';
import { type SelectionName, selectionMethods } from '../selection/registry.js';
import { refuseConflicts } from './conflicts.js';
import { dataSettings } from './data.js';
import { type IdleSetting, idleSettings, type RunCommand } from './idle.js';
import { methodSettings } from './method.js';
import { optimisationSettings } from './optimisation.js';
import { runSettings } from './run.js';
import {
  type AskedSettings,
  adapterMethodName,
  adapterMethodOf,
  isTrainKey,
  searchedMethod,
  selectionMethodOf,
  selectionNameOf,
  type TrainKey,
  trainKeys,
  trainSchema,
} from './schema.js';
import { selectionSettings } from './selection.js';

export { isReadBySelect, type RunCommand, refuseIdlePlaces } from './idle.js';
export { type Method, methods } from './method.js';
export {
  adapterMethodName,
  adapterMethodOf,
  freeSettings,
  isUsual,
  type SettingGroup,
  selectionMethodOf,
  selectionNameOf,
  settingGroups,
  type TrainConfigInput,
  type TrainKey,
  trainKeys,
  trainSchema,
  usualThreads,
} from './schema.js';

type Asked<Shape extends z.ZodRawShape> = Readonly<z.output<z.ZodObject<Shape>>>;

/** Model and task: what is learned from, and what is scored. */
export type DataConfig = Asked<typeof dataSettings>;
/** What is trained; what hangs on the method is filled in. */
export type MethodConfig = Asked<typeof methodSettings> & AdapterSettings;
/** Where adapters go. */
export type SelectionConfig = Asked<typeof selectionSettings> & { readonly share: Sharing };
/** Steps, rates and the loss. `lr` is open only where an adapter is to say it that is not yet open. */
export type OptimisationConfig = Asked<typeof optimisationSettings>;
/** What a run is drawn by, saves, logs and takes of the machine. */
export type RunConfig = Asked<typeof runSettings>;

/** A checked configuration, in groups; each part of a run gets its own. */
export interface TrainConfig {
  readonly data: DataConfig;
  readonly method: MethodConfig;
  readonly selection: SelectionConfig;
  readonly optimisation: OptimisationConfig;
  readonly run: RunConfig;
}

/** A checked configuration as run.json has it: the settings by name, without the groups. */
export type FlatConfig = DataConfig & MethodConfig & SelectionConfig & OptimisationConfig & RunConfig;

/** How a configuration is checked. */
export interface ParseOptions {
  /** What it is for. `select` chooses modules and trains nothing afterwards. Default `train`. */
  readonly command?: RunCommand | undefined;
  /**
   * Names of settings that stand in the record of a run, which holds all of them: one that nothing will read is left out,
   * as when another method is given over the record of a run.
   */
  readonly recorded?: ReadonlySet<string> | undefined;
  /** What becomes of settings that nothing will read. Default `refuse`; `drop` leaves them out. */
  readonly idle?: 'refuse' | 'drop' | undefined;
}

/**
 * Checks settings, as they stand in a file or come from flags or a program, and fills in defaults.
 * @param where what to blame in a message: a file, or the flags
 * @throws DiffoError (usage) that names the setting and what is wrong: an unknown name, with the nearest known one, a value
 *   that it does not take, settings that exclude each other, one that nothing would read
 */
export function parseTrainConfig(raw: unknown, where: string, options: ParseOptions = {}): TrainConfig {
  const { command = 'train', recorded, idle = 'refuse' } = options;
  const usual = command === 'select' ? { method: searchedMethod, select: 'diffora' } : {};
  const asked = checkSettings(raw, where, usual);
  const unread = idleSettings(givenSettings(raw), asked, command);
  const names = new Set<string>(unread.map(({ key }) => key));
  const read = names.size === 0 ? asked : checkSettings(raw, where, usual, names);
  refuseConflicts(read, where, command);
  const config = configOf(command === 'select' ? { ...read, method: searchedMethod } : read);
  if (idle === 'drop' || unread.length === 0) return config;
  const refused = unread.find(({ key }) => recorded?.has(key) !== true);
  if (refused !== undefined) throw usageError(`${where}: ${refused.reason}`);
  return config;
}

/** The settings among those given that nothing will read, where values and names are right. @throws DiffoError as {@link checkSettings} */
export function unreadSettings(raw: unknown, where: string, command: RunCommand = 'train'): IdleSetting[] {
  return idleSettings(givenSettings(raw), checkSettings(raw, where), command);
}

/**
 * Checks names and values, and nothing of how they go together.
 * @param usual what holds where nothing is said, before the defaults
 * @param without names that are left out
 * @throws DiffoError (usage) that names the setting
 */
export function checkSettings(
  raw: unknown,
  where: string,
  usual: TrainSettingValues = {},
  without: ReadonlySet<string> = new Set(),
): AskedSettings {
  const said = isJsonObject(raw)
    ? Object.entries(raw).filter(([key, value]) => value !== undefined && !without.has(key))
    : undefined;
  const parsed = trainSchema.safeParse(said === undefined ? raw : { ...usual, ...Object.fromEntries(said) });
  if (parsed.success) return parsed.data;
  const issue = parsed.error.issues[0]!;
  if (issue.code === 'unrecognized_keys') {
    const key = issue.keys[0]!;
    const nearest = nearestNames(key, trainKeys).join(', ');
    throw usageError(`${where}: "${key}" is not a setting; nearest: ${nearest}.`);
  }
  throw usageError(`${where}: ${faultOf(issue, trainSchema, raw, 'the file')}.`);
}

type TrainSettingValues = Readonly<Partial<Record<TrainKey, unknown>>>;

/** Names of the settings that someone wrote down. */
export function givenSettings(raw: unknown): TrainKey[] {
  if (!isJsonObject(raw)) return [];
  return Object.keys(raw).filter((key): key is TrainKey => isTrainKey(key) && raw[key] !== undefined);
}

const groups = {
  data: z.object(dataSettings),
  method: z.object(methodSettings),
  selection: z.object(selectionSettings),
  optimisation: z.object(optimisationSettings),
  run: z.object(runSettings),
};

/** Puts settings into their groups, and fills in what hangs on the methods of fine-tuning and of selection. */
function configOf(asked: AskedSettings): TrainConfig {
  const share = asked.share ?? selectionMethodOf(asked)?.share ?? 'none';
  const lr = asked.lr ?? (asked.adapter === undefined ? adapterMethodOf(asked).usual.lr : undefined);
  return {
    data: groups.data.parse(asked),
    method: withAdapterDefaults(adapterMethodName(asked), groups.method.parse(asked)),
    selection: { ...groups.selection.parse(asked), share },
    optimisation: groups.optimisation.parse({ ...asked, lr }),
    run: groups.run.parse(asked),
  };
}

/** The settings by name, without the groups: what run.json and the manifest of a checkpoint hold. */
export function flatConfig({ data, method, selection, optimisation, run }: TrainConfig): FlatConfig {
  return { ...data, ...method, ...selection, ...optimisation, ...run };
}

/**
 * The configuration of a run that goes on from an adapter, once that is open: the method is the adapter's, and so is the
 * default of the learning rate.
 * @param name what to call the adapter in a message
 * @throws DiffoError (usage) where another method was asked for
 */
export function goingOnFrom(config: TrainConfig, method: AdapterMethodName, name: string): TrainConfig {
  const asked = config.method.method;
  if (asked !== 'diffora' && asked !== method) {
    throw usageError(`method is ${asked}, and ${name} is an adapter of the method ${method}. Leave method out.`);
  }
  // Ranks and the like are the adapter's, and those of the configuration mere defaults.
  const others = Object.entries(flatConfig(config)).filter(([key]) => !Object.hasOwn(adapterSettings, key));
  const own = configOf(checkSettings({ ...Object.fromEntries(others), method }, name));
  return { ...own, optimisation: { ...own.optimisation, lr: learningRateOf(own) } };
}

/** Peak learning rate of a run or of its selection. */
export function learningRateOf({ method, optimisation }: Pick<TrainConfig, 'method' | 'optimisation'>): number {
  return optimisation.lr ?? adapterMethodOf(method).usual.lr;
}

/** True where a matrix decides. */
export function hasMatrix(config: Pick<TrainConfig, 'method' | 'selection'>): boolean {
  return choosingNameOf(config) !== undefined || config.selection.dam !== undefined;
}

/** Name of the way to choose modules of a configuration; undefined where none is used. */
export function choosingNameOf({
  method: { method },
  selection: { select },
}: Pick<TrainConfig, 'method' | 'selection'>): SelectionName | undefined {
  return selectionNameOf({ method, select });
}

/** The way to choose modules of a configuration; undefined where none is used. */
export function choosingMethodOf(config: Pick<TrainConfig, 'method' | 'selection'>): SelectionMethod | undefined {
  const name = choosingNameOf(config);
  return name === undefined ? undefined : selectionMethods[name];
}
