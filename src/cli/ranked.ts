import { Writable } from 'node:stream';
import { setTimeout } from 'node:timers/promises';
import { DiffoError, type ExitCode } from '../errors.js';
import type { Launch } from '../mpi/launch.js';
import { type LaunchedRanks, openRanks } from '../mpi/openRanks.js';
import { runProgram } from './program.js';
import { processTerminal, type Terminal } from './terminal.js';

/** Commands whose work ranks share. */
const shared: readonly string[] = ['train', 'select', 'eval', 'compare'];

/** What is written, line by line, in the place of a terminal: nobody reads it unless the rank fails. */
class Kept extends Writable {
  text = '';

  constructor(private readonly to?: Terminal['stderr']) {
    super({ decodeStrings: false });
  }

  get isTTY(): boolean {
    return this.to?.isTTY === true;
  }

  get columns(): number {
    return this.to?.columns ?? 80;
  }

  override _write(chunk: string | Buffer, _: string, done: () => void): void {
    this.text = String(chunk);
    this.to?.write(chunk);
    done();
  }
}

/**
 * Runs the command line on one of several ranks. The first speaks for all; another says only what it alone has met, with its
 * name. A rank that fails alone ends the others: they would wait for it.
 */
export async function runRanked(args: readonly string[], launch: Launch): Promise<0 | ExitCode> {
  const own = processTerminal();
  const isFirst = launch.rank === 0;
  const command = args.find((one) => !one.startsWith('-'));
  const tells = args.some((one) => one === '--help' || one === '-h' || one === '--version');
  if (command === undefined || tells) return isFirst ? runProgram(args, own) : 0;
  if (!shared.includes(command)) {
    if (isFirst) {
      own.stderr.write(
        `diffora ${command} is done by one process, and ${launch.size} were started. Those that share work: ${shared.join(', ')}. Start it without mpirun or srun.\n`,
      );
    }
    return ending(2, isFirst);
  }
  let ranks: LaunchedRanks;
  try {
    ranks = await openRanks(launch);
  } catch (error) {
    // All of them lack the same, or the launcher ends those that do not.
    if (!(error instanceof DiffoError)) throw error;
    if (isFirst) own.stderr.write(`${error.message}\n`);
    return ending(error.exitCode, isFirst);
  }
  const said = new Kept(isFirst ? own.stderr : undefined);
  const terminal: Terminal = isFirst
    ? { ...own, stderr: said, ranks }
    : { ...own, stdout: new Kept(), stderr: said, ranks };
  const code = await runProgram(args, terminal);
  if (code === 0 && ranks.ended().length === 0) {
    ranks.close();
    return 0;
  }
  const message = said.text.trim();
  const isInterrupted = code === 130 || code === 143;
  const ended = ranks.ended();
  if (ended.length === 0 && (await ranks.allFail(isInterrupted ? 'interrupted' : message))) {
    ranks.close();
    return code;
  }
  // Of those that find a rank gone, one says so.
  const isSpeaker = ended.length === 0 || (ended.includes(0) && ranks.rank === ranks.firstNear(ended));
  if (!isFirst && !isInterrupted && isSpeaker) {
    await new Promise((done) => own.stderr.write(`${ranks.nameOf(ranks.rank)}: ${message}\n`, done));
  }
  ranks.abort(code);
  return code;
}

/** A launcher ends all ranks when one has failed: the first is to have spoken by then. */
async function ending(code: ExitCode, isFirst: boolean): Promise<ExitCode> {
  if (!isFirst) await setTimeout(3000);
  return code;
}
