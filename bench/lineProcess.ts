import { type ChildProcess, spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { DiffoError } from '../src/errors.js';

/** A child process that answers each line of its input with one line of JSON. */
export interface LineProcess {
  /** Sends a line; with none, waits for the line that the process starts with. */
  ask(line?: string): Promise<Record<string, unknown>>;
  kill(): void;
}

/** @param what what the process is, for the message when it ends too early */
export function startLineProcess(what: string, command: string, args: readonly string[]): LineProcess {
  const child: ChildProcess = spawn(command, args, { stdio: ['pipe', 'pipe', 'pipe'] });
  const answers: Record<string, unknown>[] = [];
  let waiting: { resolve: (answer: Record<string, unknown>) => void; reject: (error: Error) => void } | undefined;
  let failure: Error | undefined;
  let errors = '';
  const fail = (reason: string) => {
    failure = new DiffoError(`${what} ${reason}.${errors === '' ? '' : ` Its last words:\n${errors.trim()}`}`);
    waiting?.reject(failure);
    waiting = undefined;
  };
  child.stderr!.on('data', (data: Buffer) => {
    errors = (errors + data.toString()).slice(-2000);
  });
  child.on('error', (error) => fail(`did not start: ${error.message}`));
  // Writing to a process that has ended fails here; 'close' says so better.
  child.stdin!.on('error', () => {});
  child.on('close', (code) => fail(`ended with exit code ${code}`));
  createInterface({ input: child.stdout! }).on('line', (line) => {
    if (!line.startsWith('{')) return;
    const answer = JSON.parse(line) as Record<string, unknown>;
    if (waiting === undefined) answers.push(answer);
    else waiting.resolve(answer);
    waiting = undefined;
  });
  return {
    ask(line) {
      const ready = answers.shift();
      if (ready !== undefined) return Promise.resolve(ready);
      if (failure !== undefined) return Promise.reject(failure);
      if (line !== undefined) child.stdin!.write(`${line}\n`);
      return new Promise((resolve, reject) => {
        waiting = { resolve, reject };
      });
    },
    kill: () => child.kill(),
  };
}
