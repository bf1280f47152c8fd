import { Command } from 'commander';
import { usageError } from '../errors.js';
import { inspectGram } from '../jobs/gram.js';
import { inspect } from '../jobs/inspect.js';
import { gramView } from '../report/gramView.js';
import { inspectJson, inspectView } from '../report/inspectView.js';
import { usualThreads } from '../settings/config.js';
import { type AdapterFlags, addAdapterFlags } from './adapterFlags.js';
import { addCommonFlags, type CommonFlags, perform } from './perform.js';
import type { Terminal } from './terminal.js';

interface Flags extends CommonFlags, AdapterFlags {
  readonly gram?: boolean;
  readonly dataDir?: string;
}

export function inspectCommand(terminal: Terminal): Command {
  const command = new Command('inspect')
    .description('Show what a run, an adapter, a dam.json or a model holds: heat map, targets, parameters, size.')
    .argument('<path>', 'run folder, adapter folder, dam.json, model folder or hub name')
    .option('--gram', 'also weigh the chosen modules of a run by their Gram matrix (loads its model and data)')
    .option('--data-dir <folder>', 'with --gram: where the data of the run lie now');
  addAdapterFlags(command);
  return addCommonFlags(command)
    .addHelpText(
      'after',
      '\nExample:\n  $ diffora inspect runs/reviews\n  $ diffora inspect sentence-transformers/all-MiniLM-L6-v2',
    )
    .action(async (path: string, { gram, dataDir, taskType, ...flags }: Flags) => {
      if (dataDir !== undefined && gram !== true) throw usageError('--data-dir goes with --gram.');
      await perform(terminal, flags, {
        run: async ({ reporter, signal }) => ({
          found: await inspect(path, reporter, signal, taskType),
          weighed: gram
            ? await inspectGram({ run: path, dataDir, threads: usualThreads, reporter, signal })
            : undefined,
        }),
        text: ({ found, weighed }) => {
          const view = inspectView(found, terminal.screen);
          return weighed === undefined ? view : `${view}\n\n${gramView(weighed, terminal.screen)}`;
        },
        json: ({ found, weighed }) => {
          const shown = inspectJson(found);
          return weighed === undefined ? shown : { ...shown, gram: weighed };
        },
      });
    });
}
