import { readdirSync, readFileSync } from 'node:fs';
import { join, relative, resolve } from 'node:path';
import { describe, expect, it } from 'vitest';
import { kindNames } from '../src/tasks/kinds/registry.js';

const source = resolve(import.meta.dirname, '../src');

/** Things that are passed as objects: their names stand in their own files and registries alone. */
const families: readonly {
  readonly what: string;
  readonly names: readonly string[];
  /** The folder that is their home. */
  readonly home: string;
  /** Files of it that may name all of them. */
  readonly registries: readonly string[];
  /** Files in which the same word is another thing's. */
  readonly otherwise: readonly string[];
}[] = [
  {
    what: 'kind',
    names: kindNames,
    home: 'tasks',
    registries: ['tasks/kinds/registry.ts', 'tasks/kinds/tabKinds.ts', 'tasks/kinds/predictions.ts'],
    // OpenAI's name of a vector in its answer.
    otherwise: ['serve/routes/embeddings.ts'],
  },
];

const files = readdirSync(source, { recursive: true, encoding: 'utf8' }).filter((name) => name.endsWith('.ts'));

/** True where a name stands as a text, or as that of a file that is imported; comments do not count. */
function names(file: string, name: string): boolean {
  const text = readFileSync(join(source, file), 'utf8').replace(/\/\*[\s\S]*?\*\/|^\s*\/\/.*$/gm, '');
  return new RegExp(`['"\`](?:[./\\w]*/kinds/)?${name}(?:\\.js)?['"\`]`).test(text);
}

/** `multiLabel` of `multi-label`: how files are named. */
const camelCase = (name: string) => name.replace(/-(\w)/g, (_, letter: string) => letter.toUpperCase());

describe.each(families)('the names of each $what', ({ what, names: all, home, registries, otherwise }) => {
  const inside = (file: string) => relative(home, file) !== file && !relative(home, file).startsWith('..');

  it(`stand in no file outside ${home}/`, () => {
    const naming = files.filter(
      (file) => !inside(file) && !otherwise.includes(file) && all.some((name) => names(file, name)),
    );
    console.log(`files outside ${home}/ that name a ${what}: ${naming.length}`);
    expect(naming).toEqual([]);
  });

  it('stand in its own file and in registries, and are imported by the tasks that are of it', () => {
    const strange = files.filter(inside).flatMap((file) =>
      all
        .filter((name) => names(file, name))
        .filter((name) => file !== `${home}/kinds/${camelCase(name)}.ts` && !registries.includes(file))
        // A known task is given the object of its kind, once.
        .filter(() => !file.startsWith(`${home}/known/`))
        .map((name) => `${file}: ${name}`),
    );
    expect(strange).toEqual([]);
  });
});
