import { Command, Option } from 'commander';
import { usageError } from '../errors.js';
import { type ExportFormatName, exportFormats } from '../export/formats.js';
import { refuseForeign } from '../files/refuseForeign.js';
import { exportModel } from '../jobs/export.js';
import { exportView } from '../report/exportView.js';
import { usualThreads } from '../settings/config.js';
import { addCommonFlags, type CommonFlags, perform } from './perform.js';
import type { Terminal } from './terminal.js';
import { addTrainFlags } from './trainFlags.js';

interface Flags extends CommonFlags {
  readonly adapter?: string;
  readonly model?: string;
  readonly format: ExportFormatName;
  readonly output: string;
  readonly overwrite?: boolean;
  readonly dtype?: string;
  readonly task?: string;
  readonly dataDir?: string;
  readonly maxEvalSamples?: number;
  readonly anyBase?: boolean;
  readonly scores: boolean;
}

export function exportCommand(terminal: Terminal): Command {
  const formats = Object.values(exportFormats);
  const dtypes = formats.map(({ name, dtypes, usual }) => `${name}: ${dtypes.join(', ')}; default ${usual.join(',')}`);
  const command = new Command('export')
    .description('Write a model, its adapter folded in, for where models run: browsers, Node, other runtimes.')
    .option('--adapter <folder>', 'run folder or adapter folder')
    .option('--model <model>', 'model with its own head; with --adapter the base model, where it lies elsewhere')
    .addOption(
      new Option('--format <format>', formats.map(({ name, description }) => `${name}: ${description}`).join('; '))
        .choices(formats.map(({ name }) => name))
        .makeOptionMandatory(),
    )
    .requiredOption('--output <folder>', 'folder to be made')
    .option('--dtype <dtypes>', `widths of weights, with commas between them (${dtypes.join('; ')})`)
    .option('--overwrite', 'replace an exported folder that is there, once the new one is complete')
    .option('--task <task>', 'with --adapter: score every file on the dev rows of this task; default: what was learned')
    .option('--no-scores', 'score nothing');
  addCommonFlags(command);
  addTrainFlags(command, ['anyBase', 'dataDir', 'maxEvalSamples']);
  return command
    .addHelpText('after', '\nExample:\n  $ diffora export --adapter runs/reviews --format onnx --output web/reviews')
    .action(async (flags: Flags) => {
      const { dtype, output, overwrite = false, json: _json, quiet: _quiet, ...options } = flags;
      const dtypes = dtype?.split(',').map((one) => one.trim());
      if (options.adapter === undefined && options.model === undefined) {
        throw usageError('Name what is to be exported: --adapter with a folder, or --model with a model.');
      }
      await perform(terminal, flags, {
        output,
        run: async (session) => {
          if (overwrite) await refuseForeign(output, 'onnx');
          return exportModel({ ...options, output, overwrite, dtypes, threads: usualThreads, ...session });
        },
        text: exportView,
      });
    });
}
