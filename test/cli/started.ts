import { type ChildProcess, type SpawnOptions, spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { inject } from 'vitest';
import { REPOSITORY } from '../shared.js';
import { until } from '../until.js';

/** A path in the compiled package, as test/build.ts has made it. */
export const built = (...parts: readonly string[]): string => join(inject('build'), ...parts);

/** A process of its own, and what it has said so far. */
export interface Started {
  readonly child: ChildProcess;
  readonly said: { readonly stdout: string; readonly stderr: string };
  /** When all of its output is there; the code is null where a signal ended it. */
  readonly ended: Promise<{ readonly code: number | null; readonly stdout: string; readonly stderr: string }>;
  /** Waits until `what` stands so many times on stdout or stderr. */
  says(what: string, count?: number): Promise<void>;
}

/** Starts Node. */
export function startNode(args: readonly string[], options: SpawnOptions = {}): Started {
  return startProgram(process.execPath, args, options);
}

/** Starts a program. */
export function startProgram(program: string, args: readonly string[], options: SpawnOptions = {}): Started {
  const child = spawn(program, args, { cwd: REPOSITORY, stdio: ['ignore', 'pipe', 'pipe'], ...options });
  const said = { stdout: '', stderr: '' };
  for (const name of ['stdout', 'stderr'] as const) {
    child[name]!.setEncoding('utf8').on('data', (text: string) => {
      said[name] += text;
    });
  }
  const ended = once(child, 'close').then(([code]) => ({ code: code as number | null, ...said }));
  return {
    child,
    said,
    ended,
    says: (what, count = 1) => until(() => `${said.stdout}\n${said.stderr}`.split(what).length > count, ended),
  };
}

/** Starts the command line. */
export function startDiffora(...args: readonly string[]): Started {
  return startNode([built('dist', 'cli', 'main.js'), ...args]);
}
