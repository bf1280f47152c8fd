import { Command, Option } from 'commander';
import { type ExportFormatName, exportFormats } from '../export/formats.js';
import { refuseForeign } from '../files/refuseForeign.js';
import { chosenFormat, exportModel } from '../jobs/export.js';
import { exportView } from '../report/exportView.js';
import { usualThreads } from '../settings/config.js';
import { type AdapterFlags, addAdapterFlags } from './adapterFlags.js';
import { addCommonFlags, type CommonFlags, perform } from './perform.js';
import type { Terminal } from './terminal.js';
import { addTrainFlags } from './trainFlags.js';

interface Flags extends CommonFlags, AdapterFlags {
  readonly adapter?: string;
  readonly model?: string;
  readonly format: ExportFormatName;
  readonly output: string;
  readonly overwrite?: boolean;
  readonly dtype?: string;
  readonly lora?: boolean;
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
    .description('Write a model, its adapter folded in, for where models run: browsers, Node, llama.cpp, Ollama.')
    .option('--adapter <folder>', 'run folder or adapter folder')
    .option('--model <model>', 'model with its own head; with --adapter the base model, where it lies elsewhere')
    .addOption(
      new Option('--format <format>', formats.map(({ name, description }) => `${name}: ${description}`).join('; '))
        .choices(formats.map(({ name }) => name))
        .makeOptionMandatory(),
    )
    .requiredOption('--output <folder>', 'folder to be made')
    .option('--dtype <dtypes>', `widths of weights, with commas between them (${dtypes.join('; ')})`)
    .option('--lora', 'the adapter alone, to be loaded beside its base (gguf)')
    .option('--overwrite', 'replace an exported folder that is there, once the new one is complete')
    .option('--task <task>', 'with --adapter: score every file on the dev rows of this task; default: what was learned')
    .option('--no-scores', 'score nothing');
  addAdapterFlags(command);
  addCommonFlags(command);
  addTrainFlags(command, ['anyBase', 'dataDir', 'maxEvalSamples']);
  return command
    .addHelpText('after', '\nExample:\n  $ diffora export --adapter runs/reviews --format onnx --output web/reviews')
    .action(async (flags: Flags) => {
      const { dtype, lora: adapterAlone, output, overwrite, json: _json, quiet: _quiet, ...options } = flags;
      const dtypes = dtype?.split(',').map((one) => one.trim());
      await perform(terminal, flags, {
        output,
        run: async (session) => {
          const { format } = chosenFormat({ ...options, dtypes, adapterAlone });
          if (overwrite === true) await refuseForeign(output, ...format.markers);
          const chosen = { ...options, output, overwrite, dtypes, adapterAlone, threads: usualThreads };
          return exportModel({ ...chosen, ...session });
        },
        text: exportView,
      });
    });
}
