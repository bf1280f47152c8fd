import { adapterMethods, settingsOf } from '../adapters/registry.js';
import { usageError } from '../errors.js';
import { isJsonObject } from '../files/json.js';
import { readYaml } from '../files/yaml.js';
import { selectionMethods } from '../selection/registry.js';
import {
  adapterMethodOf,
  parseTrainConfig,
  selectionMethodOf,
  type TrainConfig,
  type TrainConfigInput,
  type TrainKey,
} from '../settings/config.js';
import { flagOf } from './trainFlags.js';

/**
 * The configuration of a run: the file's settings, and over them those of the flags.
 * @param given what the flags say, each checked already
 * @param fixed what the command itself lays down
 * @throws DiffoError that names the file and the key, or the flag that is missing
 */
export async function readTrainConfig(
  file: string | undefined,
  given: Partial<TrainConfigInput>,
  fixed: Partial<TrainConfigInput> = {},
): Promise<TrainConfig> {
  const fromFile = file === undefined ? {} : await readConfigFile(file);
  // The file is checked for itself, so that a message blames it and not a flag; the task may come from a flag.
  if (file !== undefined) parseTrainConfig({ task: 'any', ...fromFile }, file);
  const merged = { ...fromFile, ...given, ...fixed };
  if (merged.task === undefined) {
    throw usageError(
      '--task is missing: name a known task (cola, rte, spam, …) or a data file (.csv, .tsv, .jsonl, .parquet).',
    );
  }
  return parseTrainConfig(merged, file ?? 'The flags');
}

/** Settings that were given although the method has no use for them, as a sentence; undefined where there are none. */
export function idleSettings(config: TrainConfig, given: Partial<TrainConfigInput>): string | undefined {
  const used = new Set<string>(usedSettings(config));
  const idle = methodSettings.filter((key) => given[key] !== undefined && !used.has(key)).map(flagOf);
  if (idle.length === 0) return undefined;
  const why =
    config.adapter !== undefined
      ? '--adapter'
      : config.dam !== undefined
        ? '--dam'
        : config.select !== undefined
          ? `--select ${config.select}`
          : `--method ${config.method}`;
  return `${idle.join(', ')} ${idle.length === 1 ? 'has' : 'have'} no effect with ${why}`;
}

/** Settings that not every method reads. */
const ofAdapters = [...new Set(Object.values(adapterMethods).flatMap((one): TrainKey[] => settingsOf(one)))];
const ofSelection = [...new Set(Object.values(selectionMethods).flatMap(({ settings }): TrainKey[] => [...settings]))];
const methodSettings: readonly TrainKey[] = [...ofAdapters, ...ofSelection, 'share', 'targets', 'dam', 'head'];

function usedSettings(config: TrainConfig): readonly TrainKey[] {
  if (config.adapter !== undefined) return [];
  const method = adapterMethodOf(config);
  const ofMethod: TrainKey[] = [
    'head',
    ...settingsOf(method),
    ...(method.places === 'itself' ? [] : (['targets'] as const)),
  ];
  if (config.dam !== undefined) return [...ofMethod, 'dam', 'share'];
  const selection = selectionMethodOf(config);
  if (selection === undefined) return ofMethod;
  // A budget stands in the place of the ratio.
  const ofChoice = selection.settings.filter((key) => key !== 'keep' || config.budget === undefined);
  return [...ofMethod, 'share', ...ofChoice];
}

/** The settings in a YAML or JSON file, or those that a run.json records, unchecked. @throws DiffoError that names the file */
export async function readConfigFile(file: string): Promise<Record<string, unknown>> {
  const value = await readYaml(file);
  if (!isJsonObject(value)) throw usageError(`${file} must hold settings, a "name: value" a line.`);
  // run.json has the settings of its run whole.
  if (typeof value.format === 'string' && value.format.startsWith('diffora-run/') && isJsonObject(value.config)) {
    return value.config;
  }
  return value;
}
