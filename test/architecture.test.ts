import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';
import { describe, expect, it } from 'vitest';

const source = resolve(import.meta.dirname, '../src');

/** What each folder may import from: data flows one way, from files to the command line. */
const allowed: Readonly<Record<string, readonly string[]>> = {
  graph: [],
  files: [],
  runtime: ['graph'],
  tokenize: ['files'],
  hub: ['files'],
  checkpoint: ['files', 'hub', 'tokenize'],
  data: ['files', 'hub', 'tokenize'],
  models: ['graph', 'checkpoint'],
  adapters: ['graph', 'models', 'checkpoint', 'files'],
  optimize: ['graph', 'runtime', 'models', 'adapters', 'checkpoint', 'data'],
  generate: ['graph', 'runtime', 'models', 'adapters', 'optimize', 'tokenize'],
  selection: ['graph', 'runtime', 'models', 'adapters', 'optimize', 'data', 'files'],
  train: [
    'graph',
    'runtime',
    'generate',
    'models',
    'adapters',
    'optimize',
    'selection',
    'data',
    'tokenize',
    'checkpoint',
    'hub',
    'files',
  ],
  compare: ['train', 'selection', 'adapters', 'data', 'files'],
  library: ['train', 'selection', 'optimize', 'data', 'files'],
  report: ['compare', 'selection', 'train', 'data', 'models', 'files'],
  cli: ['report', 'compare', 'train', 'generate', 'selection', 'models', 'adapters', 'data', 'checkpoint', 'files'],
};

interface Import {
  readonly file: string;
  readonly target: string;
}

/** Every import statement of a source file that names a file of the project or a package. */
function importsOf(file: string): Import[] {
  const text = readFileSync(file, 'utf8');
  return [...text.matchAll(/^(?:import|export)\s[^;]*?from '([^']+)';/gms)].map((match) => {
    const target = match[1]!;
    return {
      file: relative(source, file),
      target: target.startsWith('.') ? relative(source, join(dirname(file), target)) : target,
    };
  });
}

const files = readdirSync(source, { recursive: true, encoding: 'utf8' })
  .filter((name) => name.endsWith('.ts'))
  .map((name) => join(source, name));
const imports = files.flatMap(importsOf);
const folderOf = (path: string) => (path.includes('/') ? path.split('/')[0]! : undefined);

describe('imports', () => {
  it('point one way between folders', () => {
    const wrong = imports.filter(({ file, target }) => {
      const [from, to] = [folderOf(file), folderOf(target)];
      const isOurs = to !== undefined && to in allowed && !target.startsWith('@');
      return from !== undefined && isOurs && from !== to && !allowed[from]!.includes(to);
    });
    expect(wrong).toEqual([]);
  });

  it('know every folder', () => {
    const folders = new Set(files.map((file) => folderOf(relative(source, file))).filter((name) => name !== undefined));
    expect([...folders].sort()).toEqual(Object.keys(allowed).sort());
  });

  it('bring onnxruntime in through src/runtime alone', () => {
    const users = imports.filter(({ target }) => target.startsWith('onnxruntime')).map(({ file }) => folderOf(file));
    expect(new Set(users)).toEqual(new Set(['runtime']));
  });
});
