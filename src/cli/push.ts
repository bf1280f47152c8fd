import { Command } from 'commander';
import { pushToHub } from '../jobs/push/push.js';
import { pushView } from '../report/pushView.js';
import { addCommonFlags, type CommonFlags, perform } from './perform.js';
import type { Terminal } from './terminal.js';

interface Flags extends CommonFlags {
  readonly adapter?: string;
  readonly export?: string;
  readonly repo: string;
  readonly private?: boolean;
  readonly revision?: string;
  readonly license?: string;
  readonly message?: string;
  readonly dryRun?: boolean;
}

export function pushCommand(terminal: Terminal): Command {
  const command = new Command('push')
    .description('Put an adapter, a merged model or an export on the Hugging Face hub, as one commit.')
    .option('--adapter <folder>', 'run folder or adapter folder')
    .option('--export <folder>', 'what merge or export has written')
    .requiredOption('--repo <owner/name>', 'model repository of the hub; made where there is none')
    .option('--private', 'make the repository a private one')
    .option('--revision <branch>', 'branch, made where there is none (default: main)')
    .option('--license <name>', "the hub's name of a licence, for the model card; default: what that says")
    .option('--message <text>', 'first line of the commit')
    .option('--dry-run', 'list the files with their sizes and send nothing');
  return addCommonFlags(command)
    .addHelpText(
      'after',
      `
The token is HF_TOKEN, or what "hf auth login" has kept; the hub is HF_ENDPOINT.

Example:
  $ diffora push --adapter runs/reviews --repo owner/reviews --private --license apache-2.0`,
    )
    .action(async ({ json, quiet, export: exported, ...options }: Flags) => {
      await perform(
        terminal,
        { json: json === true, quiet: quiet === true },
        {
          // A commit is all or nothing; it may have been under way.
          kept: () => `${options.repo} has all of the commit or nothing of it`,
          run: (session) => pushToHub({ ...options, exported, ...session }),
          text: pushView,
        },
      );
    });
}
