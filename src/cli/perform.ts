import { type Command, Option } from 'commander';
import { DiffoError } from '../errors.js';
import type { LaunchedRanks } from '../mpi/openRanks.js';
import { printable } from '../printable.js';
import { eventReporter } from '../report/eventReporter.js';
import { terminalReporter } from '../report/terminalReporter.js';
import type { Reporter } from '../reporter.js';
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
  /** Ranks that do the work together; left out, this process does. */
  readonly ranks?: LaunchedRanks | undefined;
}

export interface Job<T extends object> {
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
  readonly json?: (result: T) => object;
}

/** Adds `--json` and `--quiet`. */
export function addCommonFlags(command: Command): Command {
  return command
    .addOption(new Option('--json', 'write progress and result to stdout as JSON, a record a line, the result last'))
    .addOption(new Option('--quiet', 'no progress, only warnings and the result'));
}

/**
 * Does a command's work, with progress on stderr and its result on stdout; with `--json` both are records on stdout, one
 * a line, the result last.
 */
export async function perform<T extends object>(
  terminal: Terminal,
  { json, quiet }: CommonFlags,
  job: Job<T>,
): Promise<void> {
  const { stdout, stderr, ranks } = terminal;
  const shown = json ? undefined : terminalReporter({ stream: stderr, quiet: quiet === true });
  const record = (value: object) => stdout.write(`${JSON.stringify(value)}\n`);
  const reporter = shown ?? eventReporter(record, { quiet });
  const putAway = () => shown?.close();
  const run = (signal: AbortSignal) => job.run({ reporter, signal, ranks });
  const result = await interruptible({ output: job.output, kept: job.kept, stderr, putAway }, run).finally(putAway);
  if (json) record({ event: 'result', ...(job.json ?? ((value) => value))(result) });
  else {
    const text = await job.text(result);
    if (text !== '') stdout.write(`${printable(text, { result: true })}\n`);
  }
  const failure = job.failure?.(result);
  if (failure !== undefined) throw new DiffoError(failure);
}
