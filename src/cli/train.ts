import { Command } from 'commander';
import { refuseForeign } from '../files/refuseForeign.js';
import { runView } from '../report/runView.js';
import { train } from '../train/run.js';
import { addCommonFlags, type CommonFlags, perform } from './perform.js';
import type { Terminal } from './terminal.js';
import { idleSettings, readTrainConfig } from './trainConfig.js';
import { addTrainFlags, givenSettings, trainKeys } from './trainFlags.js';

interface Flags extends CommonFlags {
  readonly output: string;
  readonly overwrite?: boolean;
  readonly config?: string;
}

export function trainCommand(terminal: Terminal): Command {
  const command = new Command('train')
    .description('Fine-tune a model on a task, by DiffoRA or another of thirteen methods. Writes a run folder.')
    .requiredOption('--output <folder>', 'run folder to be made')
    .option('--overwrite', 'replace a run folder that is there, once the new one is complete')
    .option('--config <file>', 'YAML or JSON with settings; flags win over it (names as here, in camelCase)');
  addCommonFlags(command);
  addTrainFlags(command, trainKeys);
  return command
    .addHelpText(
      'after',
      `
Example:
  $ diffora train --task reviews.csv --text-column review --label-column stars --keep 0.5 --output runs/reviews
  $ diffora train --task cola --data-dir glue --method lora --targets query,value --rank 4 --output runs/cola`,
    )
    .action(async (flags: Flags) => {
      const { output, overwrite = false } = flags;
      const given = givenSettings({ ...flags });
      const config = await readTrainConfig(flags.config, given);
      await perform(terminal, flags, {
        output,
        run: async (session) => {
          const idle = idleSettings(config, given);
          if (idle !== undefined) session.reporter.warn(idle);
          if (overwrite) await refuseForeign(output, 'run.json');
          return train({ config, output, overwrite, ...session });
        },
        text: ({ record, run }) => runView(record, run.dam, output, terminal.screen),
        json: ({ record }) => ({ ...record, output }),
      });
    });
}
