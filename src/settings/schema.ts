import * as z from 'zod';
import { type AdapterMethod, type AdapterMethodName, adapterMethods } from '../adapters/registry.js';
import type { SelectionMethod } from '../selection/method.js';
import { type SelectionName, selectionMethods } from '../selection/registry.js';
import { dataSettings } from './data.js';
import { type Method, methodSettings } from './method.js';
import { optimisationSettings } from './optimisation.js';
import { runSettings } from './run.js';
import { selectionSettings } from './selection.js';

/** Every setting of a run, by group: its range, its default and a description. */
export const settingGroups = {
  data: dataSettings,
  method: methodSettings,
  selection: selectionSettings,
  optimisation: optimisationSettings,
  run: runSettings,
} as const;

/** Name of a group of settings. */
export type SettingGroup = keyof typeof settingGroups;

/**
 * Everything that a run depends on, as it is written down: flags, YAML files, run.json and the library have these names
 * (flags in kebab case), without the groups. Unknown names are errors.
 */
export const trainSchema = z.strictObject({
  ...dataSettings,
  ...methodSettings,
  ...selectionSettings,
  ...optimisationSettings,
  ...runSettings,
});

/** Name of a setting. */
export type TrainKey = keyof typeof trainSchema.shape;
/** A configuration as it is written down: what has a default may be left out. */
export type TrainConfigInput = z.input<typeof trainSchema>;
/** Checked settings; what hangs on the method may still be open. */
export type AskedSettings = z.output<typeof trainSchema>;

/** Names of all settings, in the order of the groups. */
export const trainKeys = Object.keys(trainSchema.shape) as TrainKey[];

/** True for the name of a setting. */
export function isTrainKey(name: string): name is TrainKey {
  return Object.hasOwn(trainSchema.shape, name);
}

/** True for the value that a setting has where nothing is said, and by itself: what hangs on the method is none. */
export function isUsual(key: TrainKey, value: unknown): boolean {
  const usual = trainSchema.shape[key].safeParse(undefined);
  return usual.success && JSON.stringify(usual.data) === JSON.stringify(value);
}

/** Settings that decide no bit of what a run gives. */
export const freeSettings = [
  'dataDir',
  'log',
  'logDir',
  'saveSteps',
  'keepCheckpoints',
  'maxSkippedSteps',
  'anyBase',
  'memoryLimit',
  'cachePrefixLimit',
] as const satisfies readonly TrainKey[];

/** Threads of work whose settings say nothing of them. */
export const usualThreads: number = runSettings.threads.parse(undefined);

/** The way to fine-tune whose pairs a search trains: DiffoRA is LoRA where its matrix decides. */
export const searchedMethod = 'lora' as const satisfies AdapterMethodName;

/** Name of the way to fine-tune: LoRA for DiffoRA. */
export function adapterMethodName({ method }: { readonly method: Method }): AdapterMethodName {
  return method === 'diffora' ? searchedMethod : method;
}

export function adapterMethodOf(asked: { readonly method: Method }): AdapterMethod {
  return adapterMethods[adapterMethodName(asked)];
}

/** Name of the way to choose modules; undefined where none is used. */
export function selectionNameOf({
  method,
  select,
}: Pick<AskedSettings, 'method' | 'select'>): SelectionName | undefined {
  return select ?? (method === 'diffora' ? 'diffora' : undefined);
}

/** The way to choose modules; undefined where the targets are adapted as they are. */
export function selectionMethodOf(asked: Pick<AskedSettings, 'method' | 'select'>): SelectionMethod | undefined {
  const name = selectionNameOf(asked);
  return name === undefined ? undefined : selectionMethods[name];
}
