import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import * as z from 'zod';
import { flagOf } from '../../src/settings/asFlags.js';
import { type SettingGroup, settingGroups, trainKeys, trainSchema } from '../../src/settings/config.js';

/** docs/settings.md: of each setting the group that it stands in, and the line of its flag, type and default. */
const sections = new Map<string, { readonly group: string; readonly line: string }>();
let group = '';
for (const part of readFileSync('docs/settings.md', 'utf8').split(/^(?=##)/m)) {
  const [heading, ...text] = part.split('\n');
  if (heading!.startsWith('## ')) group = heading!.slice(3);
  const name = /^### `(\w+)`/.exec(heading!)?.[1];
  if (name !== undefined)
    sections.set(name, { group, line: text.join('\n').trim().split('\n\n')[0]!.replace(/\s+/g, ' ') });
}

interface Shape {
  readonly type?: string;
  readonly default?: unknown;
  readonly const?: string;
  readonly enum?: readonly string[];
  readonly anyOf?: readonly Shape[];
}
const shapes = z.toJSONSchema(trainSchema, { io: 'input' }).properties as Readonly<Record<string, Shape>>;

const words: Readonly<Record<string, string>> = {
  string: 'text',
  number: 'number',
  integer: 'count',
  boolean: 'yes or no',
  array: 'list',
  object: 'map',
};

/** Words of which each has to stand in the line of a setting. */
function wordsOf(shape: Shape): string[] {
  if (shape.anyOf !== undefined) return shape.anyOf.flatMap(wordsOf);
  if (shape.const !== undefined) return [`\`${shape.const}\``];
  if (shape.enum !== undefined) return shape.enum.map((value) => `\`${value}\``);
  return [words[shape.type!]!];
}

function defaultOf({ default: value }: Shape): string {
  if (value === undefined) return 'default';
  if (typeof value === 'boolean') return `default ${value ? 'yes' : 'no'}`;
  if (typeof value === 'number') return `default ${value.toLocaleString('en-US', { maximumFractionDigits: 20 })}`;
  if (Array.isArray(value)) return value.length === 0 ? 'default: none' : `default \`${value.join(',')}\``;
  return `default \`${value}\``;
}

describe('docs/settings.md', () => {
  it('has a heading for every setting, and for nothing else', () => {
    expect([...sections.keys()].sort()).toEqual([...trainKeys].sort());
  });

  it.each(trainKeys)('says group, flag, type and default of %s', (key) => {
    const { group: found, line } = sections.get(key)!;
    expect(Object.hasOwn(settingGroups[found as SettingGroup], key), `${key} stands under ${found}`).toBe(true);
    expect(line).toContain(`\`${flagOf(key)}\``);
    for (const word of wordsOf(shapes[key]!)) expect(line).toContain(word);
    if (key === 'task') expect(line).toContain('must be given');
    else if (key !== 'threads') expect(line).toContain(defaultOf(shapes[key]!));
  });
});
