import { Command } from 'commander';
import { refuseForeign } from '../files/refuseForeign.js';
import { runDemo } from '../jobs/demo.js';
import { demoView } from '../report/demoView.js';
import { usualThreads } from '../settings/config.js';
import { addCommonFlags, type CommonFlags, perform } from './perform.js';
import type { Terminal } from './terminal.js';
import { addTrainFlags } from './trainFlags.js';

interface Flags extends CommonFlags {
  readonly output: string;
  readonly overwrite?: boolean;
  readonly seed?: number;
  readonly threads?: number;
}

export function demoCommand(terminal: Terminal): Command {
  const command = new Command('demo')
    .description(
      'Learn which third of the modules of all-MiniLM-L6-v2 to adapt on a mail corpus, and compare with LoRA on all of them, with three seeds from --seed on.',
    )
    .option('--output <folder>', 'run folder to be made', 'diffora-demo')
    .option('--overwrite', 'replace a run folder that is there, once the new one is complete');
  addCommonFlags(command);
  addTrainFlags(command, ['seed', 'threads']);
  return command
    .addHelpText('after', '\nExample:\n  $ diffora demo\n  $ diffora inspect diffora-demo')
    .action(async (flags: Flags) => {
      const { output, overwrite = false, seed = 1, threads = usualThreads } = flags;
      await perform(terminal, flags, {
        output,
        run: async (session) => {
          if (overwrite) await refuseForeign(output, 'run.json');
          return runDemo({ output, overwrite, seed, threads, ...session });
        },
        text: (result) => demoView(result, terminal.screen),
        json: ({ dam, ...result }) => ({ ...result, dam: { ...dam, search: { ...dam.search, history: undefined } } }),
      });
    });
}
