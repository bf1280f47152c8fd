import { Command } from 'commander';
import { select } from '../jobs/select.js';
import { runView } from '../report/runView.js';
import { isReadBySelect, trainKeys } from '../settings/config.js';
import { addCommonFlags } from './perform.js';
import { addRunFlags, performRun, type RunFlags, readRunConfig } from './runFlags.js';
import type { Terminal } from './terminal.js';
import { addTrainFlags, givenSettings } from './trainFlags.js';

/** `method` is always lora. */
const keys = trainKeys.filter((key) => key !== 'method' && isReadBySelect(key));

export function selectCommand(terminal: Terminal): Command {
  const command = new Command('select').description(
    'Decide only where to adapt, by DiffoRA or another way: writes dam.json, which `train --dam` takes.',
  );
  addRunFlags(command);
  addCommonFlags(command);
  addTrainFlags(command, keys);
  return command
    .addHelpText('after', '\nExample:\n  $ diffora select --task cola --data-dir glue --keep 0.5 --output runs/where')
    .action(async (flags: RunFlags) => {
      const { output, overwrite = false, resume = false } = flags;
      const given = givenSettings({ ...flags });
      await performRun(terminal, flags, {
        command: 'select',
        readConfig: () => readRunConfig(flags, given, 'select', terminal.ranks),
        run: (config, session) => select({ config, output, overwrite, resume, ...session }),
        text: ({ record, dam }) => runView(record, dam, output, terminal.screen),
        json: ({ record, dam }) => ({ ...record, dam: { ...dam, search: undefined }, output }),
      });
    });
}
