import { Command } from 'commander';
import { estimateRun } from '../jobs/estimate.js';
import { train } from '../jobs/train.js';
import { estimateView } from '../report/estimateView.js';
import { runView } from '../report/runView.js';
import { trainKeys } from '../settings/config.js';
import { addCommonFlags, perform } from './perform.js';
import { addRunFlags, performRun, type RunFlags, readRunConfig } from './runFlags.js';
import type { Terminal } from './terminal.js';
import { addTrainFlags, givenSettings } from './trainFlags.js';

export function trainCommand(terminal: Terminal): Command {
  const command = new Command('train').description(
    'Fine-tune a model on a task, by DiffoRA or another of fourteen methods. Writes a run folder.',
  );
  addRunFlags(command);
  command.option('--dry-run', 'open model and data, say steps, size, memory and time of the run, and end');
  addCommonFlags(command);
  addTrainFlags(command, trainKeys);
  return command
    .addHelpText(
      'after',
      `
Example:
  $ diffora train --task reviews.csv --text-column review --label-column stars --keep 0.5 --output runs/reviews
  $ diffora train --task cola --data-dir glue --method lora --targets query,value --rank 4 --output runs/cola
  $ diffora train --config runs/cola/run.json --output runs/again
  $ diffora train --resume --output runs/cola`,
    )
    .action(async (flags: RunFlags & { readonly dryRun?: boolean }) => {
      const { output, overwrite = false, resume = false } = flags;
      const given = givenSettings({ ...flags });
      if (flags.dryRun === true) {
        const config = await readRunConfig(flags, given, 'train');
        await perform(terminal, flags, {
          run: ({ reporter, signal }) => estimateRun(config, reporter, signal),
          text: (estimate) => estimateView(estimate, terminal.screen),
        });
        return;
      }
      await performRun(terminal, flags, {
        command: 'train',
        readConfig: () => readRunConfig(flags, given, 'train', terminal.ranks),
        run: (config, session) => train({ config, output, overwrite, resume, ...session }),
        text: ({ record, run }) => runView(record, run.dam, output, terminal.screen),
        json: ({ record }) => ({ ...record, output }),
      });
    });
}
