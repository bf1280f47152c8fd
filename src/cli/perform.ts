import { type Command, Option } from 'commander';
import { DiffoError } from '../errors.js';
import { terminalReporter } from '../report/terminalReporter.js';
import type { Reporter } from '../train/reporter.js';
import { interruptible } from './interrupt.js';
import type { Terminal } from './terminal.js';

/** The flags of every command. */
export interface CommonFlags {
  readonly json?: boolean;
  readonly quiet?: boolean;
}

/** What a command's work gets. */
export interface Session {
  readonly reporter: Reporter;
  readonly signal: AbortSignal;
}

export interface Job<T> {
  /** File or folder to be written, for the message after Ctrl-C. */
  readonly output?: string | undefined;
  /** What stays after Ctrl-C, as the end of a sentence; undefined where nothing does. */
  readonly kept?: (() => string | undefined) | undefined;
  readonly run: (session: Session) => Promise<T>;
  /** The result for people. */
  readonly text: (result: T) => string | Promise<string>;
  /** What went wrong although there is a result, for the exit code and a last line on stderr. */
  readonly failure?: (result: T) => string | undefined;
  /** The result for machines; the result itself by default. */
  readonly json?: (result: T) => unknown;
}

/** Adds `--json` and `--quiet`. */
export function addCommonFlags(command: Command): Command {
  return command
    .addOption(new Option('--json', 'print the result as one JSON object and nothing else on stdout'))
    .addOption(new Option('--quiet', 'no progress, only warnings and the result'));
}

/** Does a command's work between progress on stderr and its result on stdout. */
export async function perform<T>(terminal: Terminal, { json, quiet }: CommonFlags, job: Job<T>): Promise<void> {
  const { stdout, stderr } = terminal;
  const reporter = terminalReporter({ stream: stderr, quiet: quiet === true });
  const putAway = () => reporter.close();
  const run = (signal: AbortSignal) => job.run({ reporter, signal });
  const result = await interruptible({ output: job.output, kept: job.kept, stderr, putAway }, run).finally(putAway);
  const text = json ? JSON.stringify((job.json ?? ((value) => value))(result)) : await job.text(result);
  if (text !== '') stdout.write(`${text}\n`);
  const failure = job.failure?.(result);
  if (failure !== undefined) throw new DiffoError(failure);
}
