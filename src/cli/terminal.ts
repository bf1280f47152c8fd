import chalk from 'chalk';
import type { LaunchedRanks } from '../mpi/openRanks.js';
import type { Screen } from '../report/heatMap.js';

/** Where a command writes: results to stdout, progress, notes and errors to stderr. */
export interface Terminal {
  readonly stdout: NodeJS.WritableStream;
  readonly stderr: NodeJS.WritableStream & { readonly isTTY?: boolean; readonly columns?: number };
  /** What stdout can show. */
  readonly screen: Screen;
  /** Ranks that do the command's work together; left out, this process does. */
  readonly ranks?: LaunchedRanks | undefined;
}

/** Columns of a stdout that is no terminal. */
const widthOfPipes = 100;

/** Columns of a stdout that is no terminal where the environment says them. */
function askedWidth(): number {
  const columns = Number(process.env.COLUMNS);
  return Number.isInteger(columns) && columns > 0 ? columns : widthOfPipes;
}

/** This process's own. NO_COLOR (no-color.org) and FORCE_COLOR are honoured. */
export function processTerminal(): Terminal {
  const noColor = (process.env.NO_COLOR ?? '') !== '';
  return {
    stdout: process.stdout,
    stderr: process.stderr,
    screen: { width: process.stdout.columns || askedWidth(), colorLevel: noColor ? 0 : chalk.level },
  };
}
