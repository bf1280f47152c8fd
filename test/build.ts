import { cp, mkdtemp, readFile, rm, symlink } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import { pathToFileURL } from 'node:url';
import { type BuildOptions, build, type Plugin } from 'esbuild';
import { build as buildPage } from 'vite';
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
 * start takes four times as long, and from a file a module half as long again as from a bundle.
 */
export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  const folder = await mkdtemp(join(tmpdir(), 'diffora-build-'));
  const compile = (from: string, to: string, options: BuildOptions) =>
    build({
      absWorkingDir: REPOSITORY,
      outbase: from,
      outdir: join(folder, to),
      format: 'esm',
      platform: 'node',
      target: 'node20',
      ...options,
    });
  const copy = (path: string) => cp(join(REPOSITORY, path), join(folder, path));
  await Promise.all([
    compile('src', 'dist', {
      entryPoints: STARTED.map((path) => `./src/${path}.ts`),
      bundle: true,
      splitting: true,
      packages: 'external',
      plugins: [ownPlaces(join(folder, 'dist'))],
    }),
    compile('examples/programs', 'examples/programs', { entryPoints: ['./examples/programs/**/*.ts'] }),
    buildPage({
      configFile: join(REPOSITORY, 'vite.config.ts'),
      logLevel: 'error',
      build: { outDir: join(folder, 'dist', 'board', 'page') },
    }),
    copy('examples/programs/tickets.csv'),
    copy('package.json'),
    symlink(join(REPOSITORY, 'node_modules'), join(folder, 'node_modules')),
  ]);
  project.provide('build', folder);
  return () => rm(folder, { recursive: true, force: true });
}

/** What processes start with or import. */
const STARTED = ['cli/main', 'cli/interrupt', 'files/atomic', 'index', 'jobs/compare/worker', 'board/worker'];

/** Lets bundled code find the files beside it where the package has them: `import.meta.url` is that of its own module. */
function ownPlaces(dist: string): Plugin {
  return {
    name: 'own-places',
    setup({ onLoad }) {
      onLoad({ filter: /\/src\/.*\.ts$/ }, async ({ path }) => {
        const module = join(dist, relative(join(REPOSITORY, 'src'), path)).replace(/\.ts$/, '.js');
        const text = await readFile(path, 'utf8');
        return {
          loader: 'ts',
          contents: text.replaceAll('import.meta.url', JSON.stringify(pathToFileURL(module).href)),
        };
      });
    },
  };
}
