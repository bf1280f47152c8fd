import { Command } from 'commander';
import { exportFormats } from '../export/formats.js';
import { refuseForeign } from '../files/refuseForeign.js';
import { chosen, exportModel } from '../jobs/export.js';
import { formatBytes } from '../report/units.js';
import { addCommonFlags, type CommonFlags, perform } from './perform.js';
import type { Terminal } from './terminal.js';
import { addTrainFlags } from './trainFlags.js';

interface Flags extends CommonFlags {
  readonly adapter?: string;
  readonly model?: string;
  readonly format: string;
  readonly output: string;
  readonly overwrite?: boolean;
  readonly dtype?: string;
  readonly lora?: boolean;
  readonly anyBase?: boolean;
}

export function exportCommand(terminal: Terminal): Command {
  const formats = exportFormats.map(({ name, runsIn }) => `${name} (${runsIn})`).join(', ');
  const dtypes = exportFormats
    .map((one) => `${one.name}: ${one.dtypes.join(', ')}; default ${one.usualDtypes}`)
    .join('; ');
  const command = new Command('export')
    .description('Write a model, with its adapter folded in, as other programs run it.')
    .option('--adapter <folder>', 'run folder or adapter folder')
    .option('--model <model>', 'a model as it is, or the base model where it is not the one that the adapter names')
    .requiredOption('--format <name>', formats)
    .requiredOption('--output <folder>', 'folder to be made')
    .option('--overwrite', 'replace an export that is there, once the new one is complete')
    .option('--dtype <names>', `numbers of the weights, a file each (${dtypes})`)
    .option('--lora', 'the adapter alone, to be loaded beside its base (gguf)');
  addCommonFlags(command);
  addTrainFlags(command, ['anyBase']);
  return command
    .addHelpText(
      'after',
      '\nExample:\n  $ diffora export --adapter runs/stories --format gguf --output out --dtype q8_0',
    )
    .action(async (flags: Flags) => {
      const { adapter, model, format, output, overwrite = false, dtype, lora: adapterAlone, anyBase } = flags;
      const dtypes = dtype?.split(',').map((name) => name.trim());
      await perform(terminal, flags, {
        output,
        run: async (session) => {
          const { markers } = chosen({ format, dtypes, adapterAlone }).format;
          if (overwrite) await refuseForeign(output, ...markers);
          return exportModel({ adapter, model, format, output, overwrite, dtypes, adapterAlone, anyBase, ...session });
        },
        text: ({ files }) => {
          const list = files.map(({ name, bytes }) => `${name} (${formatBytes(bytes)})`).join(', ');
          return `Exported to ${output}: ${list}`;
        },
      });
    });
}
