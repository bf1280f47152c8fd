import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { readSettingsText } from './json.js';

const named = String.raw`"((?:[^"\\]|\\.)*)"`;
/** A key with a number that Python reads as a float though it is whole: 2.0, 1e6. */
const floats = new RegExp(String.raw`${named}\s*:\s*(-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?)(?=\s*[,}])`, 'g');
/** A line of JSON.stringify with a whole number. */
const wholeLines = new RegExp(String.raw`^(\s*${named}: -?\d+)(?=,?$)`, 'gm');

/**
 * JSON, indented by two spaces, in which whole numbers stay floats where another text has them so under the same key: JavaScript has
 * one kind of number, and Python's strict configurations take no 2 for 2.0.
 */
export function jsonAlike(value: unknown, source: string): string {
  const kept = new Set(
    [...source.matchAll(floats)].flatMap(([, key, token]) =>
      /[.eE]/.test(token!) && Number.isSafeInteger(Number(token)) ? [`${key} ${Number(token)}`] : [],
    ),
  );
  return JSON.stringify(value, null, 2).replaceAll(wholeLines, (line: string, _start: string, key: string) => {
    const number = line.slice(line.lastIndexOf(' ') + 1);
    return kept.has(`${key} ${Number(number)}`) ? `${line}.0` : line;
  });
}

/** config.json of a folder as it stands; empty where there is none. */
export async function configText(folder: string): Promise<string> {
  const path = join(folder, 'config.json');
  return existsSync(path) ? readSettingsText(path) : '';
}
