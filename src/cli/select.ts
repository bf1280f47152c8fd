import { Command } from 'commander';
import { refuseForeign } from '../files/refuseForeign.js';
import { runView } from '../report/runView.js';
import type { TrainKey } from '../train/config.js';
import { select } from '../train/run.js';
import { addCommonFlags, type CommonFlags, perform } from './perform.js';
import type { Terminal } from './terminal.js';
import { readTrainConfig } from './trainConfig.js';
import { addTrainFlags, givenSettings, trainKeys } from './trainFlags.js';

interface Flags extends CommonFlags {
  readonly output: string;
  readonly overwrite?: boolean;
  readonly config?: string;
}

/** Settings of what comes after the selection. */
const later: readonly TrainKey[] = ['method', 'adapter', 'start', 'dam', 'epochs', 'maxSteps', 'log', 'logDir'];

export function selectCommand(terminal: Terminal): Command {
  const command = new Command('select')
    .description('Decide only where to adapt, by DiffoRA or another way: writes dam.json, which `train --dam` takes.')
    .requiredOption('--output <folder>', 'folder to be made')
    .option('--overwrite', 'replace a folder that is there, once the new one is complete')
    .option('--config <file>', 'YAML or JSON with settings, as for train; flags win over it');
  addCommonFlags(command);
  addTrainFlags(
    command,
    trainKeys.filter((key) => !later.includes(key)),
  );
  return command
    .addHelpText('after', '\nExample:\n  $ diffora select --task cola --data-dir glue --keep 0.5 --output runs/where')
    .action(async (flags: Flags) => {
      const { output, overwrite = false } = flags;
      const config = await readTrainConfig(
        flags.config,
        { select: 'diffora', ...givenSettings({ ...flags }) },
        { method: 'lora' },
      );
      await perform(terminal, flags, {
        output,
        run: async (session) => {
          if (overwrite) await refuseForeign(output, 'run.json');
          return select({ config, output, overwrite, ...session });
        },
        text: ({ record, dam }) => runView(record, dam, output, terminal.screen),
        json: ({ record, dam }) => ({ ...record, dam: { ...dam, search: undefined }, output }),
      });
    });
}
