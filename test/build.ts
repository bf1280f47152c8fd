import { cp, mkdtemp, rm, symlink } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { build } from 'esbuild';
import type { TestProject } from 'vitest/node';
import { REPOSITORY } from './shared.js';

declare module 'vitest' {
  export interface ProvidedContext {
    /** Folder of the compiled package. */
    readonly build: string;
  }
}

/**
 * Compiles the package and its example programs once for all tests that start processes: from source, through tsx, every
 * start takes four times as long.
 */
export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  const folder = await mkdtemp(join(tmpdir(), 'diffora-build-'));
  const compile = (from: string, to: string) =>
    build({
      absWorkingDir: REPOSITORY,
      entryPoints: [`./${from}/**/*.ts`],
      outbase: from,
      outdir: join(folder, to),
      format: 'esm',
      platform: 'node',
      target: 'node20',
    });
  const copy = (path: string) => cp(join(REPOSITORY, path), join(folder, path));
  await Promise.all([
    compile('src', 'dist'),
    compile('examples/programs', 'examples/programs'),
    copy('examples/programs/tickets.csv'),
    copy('package.json'),
    symlink(join(REPOSITORY, 'node_modules'), join(folder, 'node_modules')),
  ]);
  project.provide('build', folder);
  return () => rm(folder, { recursive: true, force: true });
}
