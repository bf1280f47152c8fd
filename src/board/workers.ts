import { fork } from 'node:child_process';
import { extname } from 'node:path';
import { fileURLToPath } from 'node:url';
import { ApiError } from '../serve/apiError.js';
import type { WorkerAnswer, WorkerTask } from './worker.js';

const ending = extname(import.meta.url);
const workerFile = fileURLToPath(new URL(`./worker${ending}`, import.meta.url));
const loader = ending === '.ts' ? ['--import', 'tsx'] : [];

/** Processes at a time, and the milliseconds that one may take: a model may have to be fetched first. */
const most = 2;
const longest = 300_000;

/** Reads data and models in processes of their own, so that none of their memory stays with the board. */
export class Workers {
  private running = 0;

  /** @throws ApiError with the sentence of what is wrong */
  async find(task: WorkerTask, signal: AbortSignal): Promise<Exclude<WorkerAnswer, { error: string }>> {
    if (this.running >= most) {
      throw new ApiError(429, 'Two previews or estimates are under way. Try again in a moment.', { retryAfter: 1 });
    }
    this.running++;
    try {
      const answer = await answerOf(task, signal);
      if ('error' in answer) throw new ApiError(400, answer.error);
      return answer;
    } finally {
      this.running--;
    }
  }
}

function answerOf(task: WorkerTask, signal: AbortSignal): Promise<WorkerAnswer> {
  return new Promise((resolve, reject) => {
    const child = fork(workerFile, [], { execArgv: loader, stdio: ['ignore', 'ignore', 'ignore', 'ipc'] });
    const stop = () => child.kill('SIGKILL');
    const timer = setTimeout(stop, longest);
    signal.addEventListener('abort', stop);
    child.once('message', (message) => resolve(message as WorkerAnswer));
    child.once('error', reject);
    child.once('exit', () => {
      clearTimeout(timer);
      signal.removeEventListener('abort', stop);
      resolve({ error: 'The process that read it ended without an answer, as happens when memory runs out.' });
    });
    child.send(task);
  });
}
