import { fork } from 'node:child_process';
import { extname } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { RunningWork } from '../../progress.js';
import type { Reporter } from '../../reporter.js';
import type { WorkerJob, WorkerMessage, WorkerResult } from './worker.js';

export type WorkerOutcome =
  | { readonly status: 'done'; readonly result: WorkerResult }
  | { readonly status: 'failed'; readonly error: string };

const ending = extname(import.meta.url);
const workerFile = fileURLToPath(new URL(`./worker${ending}`, import.meta.url));
/** From source, as the tests run it, the child needs the loader of TypeScript too. */
const loader = ending === '.ts' ? ['--import', 'tsx'] : [];
const keptOfStderr = 2000;

export interface RunHooks {
  readonly signal?: AbortSignal | undefined;
  readonly onProgress?: (progress: Omit<RunningWork, 'name'>) => void;
  /** Who is told what the run says beside its progress; nobody by default. */
  readonly tell?: Pick<Reporter, 'info' | 'warn'>;
}

/** Does a job in a process of its own, so that its memory is measured apart and its crash is its own. */
export function runInProcess(job: WorkerJob, { signal, onProgress, tell }: RunHooks): Promise<WorkerOutcome> {
  return new Promise((resolve, reject) => {
    const child = fork(workerFile, [], { execArgv: loader, stdio: ['ignore', 'ignore', 'pipe', 'ipc'] });
    let outcome: WorkerOutcome | undefined;
    let stderr = '';
    const stop = () => child.kill('SIGKILL');
    signal?.addEventListener('abort', stop);
    child.stderr!.on('data', (chunk) => {
      stderr = `${stderr}${chunk}`.slice(-keptOfStderr);
    });
    child.on('message', (message: WorkerMessage) => {
      if (message.type === 'progress') onProgress?.(message.progress);
      else if (message.type === 'done') outcome = { status: 'done', result: message.result };
      else if (message.type === 'failed') outcome = { status: 'failed', error: message.message };
      else tell?.[message.type](message.line);
    });
    child.on('error', reject);
    child.on('close', (code, killedBy) => {
      signal?.removeEventListener('abort', stop);
      if (signal?.aborted) return reject(signal.reason);
      resolve(outcome ?? { status: 'failed', error: deathOf(code, killedBy, stderr) });
    });
    child.send(job);
  });
}

function deathOf(code: number | null, killedBy: string | null, stderr: string): string {
  const how =
    killedBy === 'SIGKILL' ? 'was killed, as happens when memory runs out' : `ended with ${killedBy ?? `code ${code}`}`;
  const said = stderr.trim().split('\n').slice(-3).join(' ').trim();
  return `The process of the run ${how}.${said === '' ? '' : ` It said: ${said}`}`;
}
