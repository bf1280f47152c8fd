import { stringify } from 'yaml';
import { adapterSettingHelp, isAdapterSetting } from '../adapters/registry.js';
import { expectation, type Shape, shapeOf } from '../files/expectation.js';
import { asFlags, flagOf, shellQuoted } from '../settings/asFlags.js';
import { checkSettings, parseTrainConfig, settingGroups, trainKeys, trainSchema } from '../settings/config.js';
import { idleSettings } from '../settings/idle.js';
import type { CheckView, SettingView } from './view.js';

const headings = {
  data: 'Model and data',
  method: 'Method',
  selection: 'Where adapters go',
  optimisation: 'Training',
  run: 'Run',
} as const;

/** Every setting as a form asks for it, from the schema that checks it. */
export function settingViews(): SettingView[] {
  const shapes = shapeOf(trainSchema).properties!;
  return trainKeys.map((key): SettingView => {
    const shape = shapes[key]!;
    const group = Object.entries(settingGroups).find(([, settings]) => Object.hasOwn(settings, key))![0];
    const choices = choicesOf(shape);
    return {
      key,
      group: headings[group as keyof typeof headings],
      flag: flagOf(key),
      description: isAdapterSetting(key) ? adapterSettingHelp(key) : trainSchema.shape[key].description!,
      takes: expectation(shape) ?? 'a text',
      type: typeOf(shape),
      ...(choices === undefined ? {} : { choices }),
      ...(shape.default === undefined ? {} : { usual: shape.default as string | number | boolean }),
    };
  });
}

/**
 * Checks settings as they are given, and says what nothing would read.
 * @param output folder of the run, for the command
 */
export function checkForm(
  settings: Readonly<Record<string, unknown>>,
  command: 'train' | 'select',
  output: string,
): CheckView {
  const told = Object.fromEntries(Object.entries(settings).filter(([, value]) => value !== undefined && value !== ''));
  const written = {
    yaml: Object.keys(told).length === 0 ? '' : stringify(told),
    command: [
      `npx diffora ${command}`,
      ...asFlags(told),
      `--output ${shellQuoted(output === '' ? 'runs/name' : output)}`,
    ].join(' \\\n  '),
  };
  let idle: CheckView['idle'] = [];
  try {
    // A task that is still missing may be a table, whose columns are to be named.
    const asked = checkSettings({ task: 'rows.csv', ...told }, 'The form');
    idle = idleSettings(trainKeys, asked, command).filter(
      ({ key }) => !['task', 'method', 'select', 'model'].includes(key),
    );
    if (told.task === undefined)
      return { ...written, idle, fault: 'Choose the data: a file, or the name of a known task.' };
    parseTrainConfig(told, 'The form', { command, idle: 'drop' });
    return { ...written, idle };
  } catch (error) {
    return {
      ...written,
      idle,
      fault: error instanceof Error ? error.message.replace(/^The form: /, '') : String(error),
    };
  }
}

function typeOf({ type, enum: names, anyOf, items }: Shape): SettingView['type'] {
  if (names !== undefined) return 'choice';
  if (anyOf !== undefined)
    return anyOf.some((one) => one.type === 'number' || one.type === 'integer') ? 'mixed' : 'text';
  if (type === 'boolean' || type === 'number' || type === 'integer' || type === 'object') return type;
  if (type === 'array') return items?.enum === undefined ? 'names' : 'choices';
  return 'text';
}

function choicesOf({ enum: names, items, anyOf }: Shape): readonly string[] | undefined {
  const mixed = anyOf?.flatMap((one) => one.enum ?? (typeof one.const === 'string' ? [one.const] : []));
  return names ?? items?.enum ?? (mixed === undefined || mixed.length === 0 ? undefined : mixed);
}
