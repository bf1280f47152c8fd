import { usageError } from '../errors.js';
import { isJsonObject } from '../files/jsonText.js';
import { readYaml } from '../files/yaml.js';
import {
  checkSettings,
  parseTrainConfig,
  type RunCommand,
  type TrainConfig,
  type TrainConfigInput,
} from '../settings/config.js';

/** Settings as a file has them. */
export interface ConfigFile {
  readonly settings: Readonly<Record<string, unknown>>;
  /** Names of those that the record of a run holds, whether someone gave them or not. */
  readonly recorded: ReadonlySet<string>;
}

/**
 * The configuration of a run: the file's settings, and over them those of the flags.
 * @param given what the flags say, each checked already
 * @param command what the configuration is for
 * @param usual what holds where neither says anything, before the defaults
 * @throws DiffoError that names the file and the key, or the flag that is missing
 */
export async function readTrainConfig(
  file: string | undefined,
  given: Partial<TrainConfigInput>,
  command: RunCommand = 'train',
  usual: Partial<TrainConfigInput> = {},
): Promise<TrainConfig> {
  const { settings, recorded } = await readConfigFile(file);
  // The file is checked for itself, so that a message blames it and not a flag; the task may come from a flag.
  if (file !== undefined) checkSettings(settings, file, { task: 'any' });
  const merged: Partial<TrainConfigInput> = { ...usual, ...settings, ...given };
  if (merged.task === undefined) {
    throw usageError(
      '--task is missing: name a known task (cola, rte, spam, …) or a data file (.csv, .tsv, .jsonl, .parquet).',
    );
  }
  return parseTrainConfig(merged, blamed(file, given), { command, recorded: withoutGiven(recorded, given) });
}

/** Who is to blame for what goes wrong in settings of a file and of flags together. */
export function blamed(file: string | undefined, given: Partial<TrainConfigInput>): string {
  if (file === undefined) return 'The flags';
  return Object.keys(given).length === 0 ? file : `${file} and the flags`;
}

/** Names of recorded settings that no flag says anew. */
export function withoutGiven(recorded: Iterable<string>, given: Partial<TrainConfigInput>): Set<string> {
  return new Set([...recorded].filter((name) => !Object.hasOwn(given, name)));
}

/**
 * The settings in a YAML or JSON file, or those that a run.json records, unchecked; none without a file.
 * @throws DiffoError that names the file
 */
export async function readConfigFile(file: string | undefined): Promise<ConfigFile> {
  if (file === undefined) return { settings: {}, recorded: new Set() };
  const value = await readYaml(file);
  if (!isJsonObject(value)) throw usageError(`${file} must hold settings, a "name: value" a line.`);
  // run.json has the settings of its run whole.
  if (typeof value.format === 'string' && value.format.startsWith('diffora-run/') && isJsonObject(value.config)) {
    return { settings: value.config, recorded: new Set(Object.keys(value.config)) };
  }
  return { settings: value, recorded: new Set() };
}
