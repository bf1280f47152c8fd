import { isUsual, type TrainKey, trainKeys } from './schema.js';

/** `maxSteps` → `--max-steps`. */
export function flagOf(key: string): string {
  return `--${key.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`;
}

/** Settings in the order of their groups, without those that have the value that they have where nothing is said. */
export function toldSettings(
  settings: Readonly<Record<string, unknown>>,
  isUnread: (key: TrainKey) => boolean = () => false,
): Partial<Record<TrainKey, unknown>> {
  const told = trainKeys.filter(
    (key) => settings[key] !== undefined && settings[key] !== null && !isUsual(key, settings[key]) && !isUnread(key),
  );
  return Object.fromEntries(told.map((key) => [key, settings[key]]));
}

/** Settings as flags of the command line, one a text, quoted as a shell reads them. */
export function asFlags(settings: Readonly<Record<string, unknown>>): string[] {
  return Object.entries(settings).map(([key, value]) => {
    if (value === true) return flagOf(key);
    if (value === false) return flagOf(key).replace('--', '--no-');
    return `${flagOf(key)} ${shellQuoted(flagValue(value))}`;
  });
}

/** A text as one word of a POSIX shell. */
export function shellQuoted(text: string): string {
  return /^[\w@%+=:,./-]+$/.test(text) ? text : `'${text.replaceAll("'", `'\\''`)}'`;
}

function flagValue(value: unknown): string {
  if (Array.isArray(value)) return value.map(String).join(',');
  if (typeof value !== 'object' || value === null) return String(value);
  return Object.entries(value)
    .map(([name, one]) => `${name}=${one}`)
    .join(',');
}
