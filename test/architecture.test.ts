import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';
import { describe, expect, it } from 'vitest';

const source = resolve(import.meta.dirname, '../src');

/** Data flows one way, from files to the command line: a folder imports from those before it alone. */
const order = [
  'graph',
  'files',
  'runtime',
  'tokenize',
  'hub',
  'checkpoint',
  'mpi',
  'models',
  'adapters',
  'data',
  'metrics',
  'engine',
  'infer',
  'tasks',
  'selection',
  'logs',
  'settings',
  'artifacts',
  'export',
  'jobs',
  'serve',
  'report',
  'board',
  'browser',
  'library',
  'cli',
];

/** Folders that know of types of each other's files in a circle, each within itself. */
const typeCircles = ['graph', 'models', 'adapters', 'tasks', 'jobs'];

interface Import {
  readonly file: string;
  readonly target: string;
  /** Gone when the program runs. */
  readonly typeOnly: boolean;
}

/** Every import statement of a source file that names a file of the project or a package. */
function importsOf(file: string): Import[] {
  const text = readFileSync(file, 'utf8');
  return [...text.matchAll(/^(?:import|export)\s([^;]*?)from '([^']+)';/gms)].map(([, what, target]) => {
    const named = /^\{([^}]*)\}/.exec(what!.trim());
    const among = named === null ? ['*'] : named[1]!.split(',').filter((name) => name.trim() !== '');
    return {
      file: relative(source, file),
      target: target!.startsWith('.')
        ? relative(source, join(dirname(file), target!)).replace(/\.js$/, '.ts')
        : target!,
      typeOnly: what!.startsWith('type ') || among.every((name) => name.trim().startsWith('type ')),
    };
  });
}

const files = readdirSync(source, { recursive: true, encoding: 'utf8' })
  .filter((name) => name.endsWith('.ts'))
  .map((name) => join(source, name));
const imports = files.flatMap(importsOf);
const names = new Set(files.map((file) => relative(source, file)));
const folderOf = (path: string) => (path.includes('/') ? path.split('/')[0]! : undefined);

/** Sets of files that lead to each other (Tarjan 1972). */
function circlesOf(edges: readonly Import[]): string[][] {
  const targets = new Map([...names].map((name): [string, string[]] => [name, []]));
  for (const { file, target } of edges) if (names.has(target)) targets.get(file)!.push(target);
  const [index, low, stack] = [new Map<string, number>(), new Map<string, number>(), [] as string[]];
  const found: string[][] = [];
  const visit = (name: string) => {
    index.set(name, index.size);
    low.set(name, index.get(name)!);
    stack.push(name);
    for (const target of targets.get(name)!) {
      if (!index.has(target)) visit(target);
      if (stack.includes(target)) low.set(name, Math.min(low.get(name)!, low.get(target)!));
    }
    if (low.get(name) !== index.get(name)) return;
    const circle = stack.splice(stack.indexOf(name));
    if (circle.length > 1) found.push(circle.sort());
  };
  for (const name of names) if (!index.has(name)) visit(name);
  return found;
}

describe('imports', () => {
  it('point one way between folders', () => {
    const wrong = imports.filter(({ file, target }) => {
      const [from, to] = [folderOf(file), folderOf(target)];
      return from !== undefined && to !== undefined && names.has(target) && order.indexOf(to) > order.indexOf(from);
    });
    expect(wrong).toEqual([]);
  });

  it('know every folder', () => {
    const folders = new Set([...names].map(folderOf).filter((name) => name !== undefined));
    expect([...folders].sort()).toEqual([...order].sort());
  });

  it('make no circle at run time', () => {
    const circles = circlesOf(imports.filter(({ typeOnly }) => !typeOnly));
    console.log(`circles at run time: ${circles.length}`);
    expect(circles).toEqual([]);
  });

  it('make circles of types within the folders that are listed alone', () => {
    const folders = circlesOf(imports).map((circle) => [...new Set(circle.map(folderOf))]);
    expect(folders.filter((among) => among.length > 1 || !typeCircles.includes(among[0]!))).toEqual([]);
  });

  it('bring onnxruntime in through src/runtime alone', () => {
    const users = imports.filter(({ target }) => target.startsWith('onnxruntime')).map(({ file }) => folderOf(file));
    expect(new Set(users)).toEqual(new Set(['runtime']));
  });
});
