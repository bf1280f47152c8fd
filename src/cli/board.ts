import { once } from 'node:events';
import { Command } from 'commander';
import { wholeNumber } from './numberFlags.js';
import { addCommonFlags, type CommonFlags, perform } from './perform.js';
import type { Terminal } from './terminal.js';

interface Flags extends CommonFlags {
  readonly port?: number;
  readonly readOnly?: boolean;
  readonly jobs?: number;
}

export function boardCommand(terminal: Terminal): Command {
  const command = new Command('board')
    .description('Show every run and comparison under some folders in the browser, while they go on.')
    .argument('[folders...]', 'folders of runs, comparisons and data', ['.'])
    .option('--port <port>', 'port on this machine; 0: any that is free (default: 0)', wholeNumber(0, 65_535))
    .option('--read-only', 'show, and do nothing')
    .option('--jobs <count>', 'runs that it starts which go on at a time (default: 1)', wholeNumber(1));
  addCommonFlags(command);
  return command
    .addHelpText(
      'after',
      `
It listens on this machine alone, and answers who has its link. Ctrl-C ends it; runs that it started go on.

Example:
  $ diffora board
  $ diffora board runs data --port 8090
  $ diffora board runs --read-only`,
    )
    .action(async (folders: readonly string[], flags: Flags) => {
      const { port, readOnly: isReadOnly, jobs } = flags;
      await perform(terminal, flags, {
        run: async ({ reporter, signal }) => {
          // Loaded late: no other command waits for a server.
          const { openBoard } = await import('../board/board.js');
          const { url, close } = await openBoard({ folders, port, isReadOnly, jobs });
          reporter.info(`The board of ${folders.join(', ')} is open at ${url}; Ctrl-C ends it`);
          if (!signal.aborted) await once(signal, 'abort');
          await close();
          return { url };
        },
        text: () => 'closed',
      });
    });
}
