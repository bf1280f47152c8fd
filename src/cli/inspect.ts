import { Command } from 'commander';
import { inspectJson, inspectView } from '../report/inspectView.js';
import { inspect } from '../train/inspect.js';
import { addCommonFlags, type CommonFlags, perform } from './perform.js';
import type { Terminal } from './terminal.js';

export function inspectCommand(terminal: Terminal): Command {
  const command = new Command('inspect')
    .description('Show what a run, an adapter, a dam.json or a model holds: heat map, targets, parameters, size.')
    .argument('<path>', 'run folder, adapter folder, dam.json, model folder or hub name');
  return addCommonFlags(command)
    .addHelpText(
      'after',
      '\nExample:\n  $ diffora inspect runs/reviews\n  $ diffora inspect sentence-transformers/all-MiniLM-L6-v2',
    )
    .action(async (path: string, flags: CommonFlags) => {
      await perform(terminal, flags, {
        run: ({ reporter, signal }) => inspect(path, reporter, signal),
        text: (found) => inspectView(found, terminal.screen),
        json: inspectJson,
      });
    });
}
