import { type Command, Option } from 'commander';
import { adapterSettingHelp, isAdapterSetting } from '../adapters/registry.js';
import { nearestNames, usageError } from '../errors.js';
import { expectation, type Shape, shapeOf } from '../files/expectation.js';
import { flagOf } from '../settings/asFlags.js';
import {
  givenSettings as givenNames,
  type SettingGroup,
  settingGroups,
  type TrainConfigInput,
  type TrainKey,
  trainSchema,
} from '../settings/config.js';

/** Headings in the help. */
const headings: Readonly<Record<SettingGroup, string>> = {
  data: 'Model and data:',
  method: 'Method:',
  selection: 'Where adapters go:',
  optimisation: 'Training:',
  run: 'Run:',
};

function headingOf(key: TrainKey): string {
  return Object.entries(headings).find(([group]) => Object.hasOwn(settingGroups[group as SettingGroup], key))![1];
}

/** What help says of a setting, beside its default. */
function descriptionOf(key: TrainKey): string {
  return isAdapterSetting(key) ? adapterSettingHelp(key) : trainSchema.shape[key].description!;
}

/** Adds the flags of these settings. Their defaults are only shown, so that a `--config` file is not overruled. */
export function addTrainFlags(command: Command, keys: readonly TrainKey[]): void {
  for (const key of keys) {
    const [group, description] = [headingOf(key), descriptionOf(key)];
    const shape = shapes[key]!;
    const usual = shape.default === undefined ? '' : ` (default: ${String(shape.default)})`;
    const choices = hasManyChoices(shape) ? `: ${shape.enum!.join(', ')}` : '';
    if (shape.type === 'boolean') {
      command.addOption(new Option(flagOf(key), `${description}${usual}`).helpGroup(group));
      command.addOption(
        new Option(flagOf(key).replace('--', '--no-'), `the contrary of ${flagOf(key)}`).helpGroup(group),
      );
      continue;
    }
    const option = new Option(`${flagOf(key)} <${placeholder(shape)}>`, `${description}${choices}${usual}`);
    command.addOption(option.helpGroup(group).argParser((text) => parseSetting(key, text)));
  }
}

/** The settings among a command's options, of those that were given. */
export function givenSettings(options: Readonly<Record<string, unknown>>): Partial<TrainConfigInput> {
  return Object.fromEntries(givenNames(options).map((key) => [key, options[key]]));
}

const shapes = shapeOf(trainSchema).properties!;

/** More than fits before the descriptions of a narrow terminal. */
function hasManyChoices(shape: Shape): boolean {
  return shape.enum !== undefined && shape.enum.join('|').length > 32;
}

function placeholder(shape: Shape): string {
  if (hasManyChoices(shape)) return 'name';
  if (shape.anyOf !== undefined) return shape.anyOf.map(placeholder).join('|');
  if (shape.const !== undefined) return String(shape.const);
  if (shape.enum !== undefined) return shape.enum.join('|');
  const names = {
    string: 'text',
    boolean: 'true|false',
    number: 'number',
    integer: 'count',
    array: 'names',
    object: 'name=number',
    null: 'none',
  } as const;
  return names[shape.type ?? 'string'];
}

/** @throws DiffoError (usage) that says what the flag takes */
function parseSetting(key: TrainKey, text: string): unknown {
  const shape = shapes[key]!;
  const candidates = (shape.anyOf ?? [shape]).map(({ type }) => readValue(type, text));
  for (const candidate of candidates) {
    const parsed = trainSchema.shape[key].safeParse(candidate);
    if (candidate !== undefined && parsed.success) return candidate;
  }
  const nearest = shape.enum === undefined ? '' : ` Did you mean ${nearestNames(text, shape.enum, 1)[0]}?`;
  throw usageError(`${flagOf(key)} ${text === '' ? "''" : text}: it takes ${flagExpectation(shape)}.${nearest}`);
}

function readValue(type: Shape['type'], text: string): unknown {
  switch (type) {
    case 'number':
    case 'integer':
      return text.trim() === '' || !Number.isFinite(Number(text)) ? undefined : Number(text);
    case 'array':
      return text
        .split(',')
        .map((name) => name.trim())
        .filter((name) => name !== '');
    case 'object':
      return readPairs(text);
    default:
      return text === '' ? undefined : text;
  }
}

/** `query=4,key=8` as a record; undefined where it is not of that form. */
function readPairs(text: string): Record<string, number> | undefined {
  const pairs = text.split(',').map((pair) => /^\s*([^=\s]+)\s*=\s*(\S+)\s*$/.exec(pair));
  if (pairs.some((match) => match === null || !Number.isFinite(Number(match[2])))) return undefined;
  return Object.fromEntries(pairs.map((match) => [match![1]!, Number(match![2])]));
}

/** What a flag takes: as a file does, but that lists and names with values are one text. */
function flagExpectation(shape: Shape): string {
  if (shape.anyOf !== undefined) return shape.anyOf.map(flagExpectation).join(' or ');
  if (shape.type === 'array') {
    const names = shape.items?.enum;
    return `${names === undefined ? 'names' : `some of ${names.join(', ')}`} with commas between them`;
  }
  if (shape.type === 'object') return 'names with numbers: query=4,key=8';
  return expectation(shape)!;
}
