import { Command, Option } from 'commander';
import { type FloatType, floatTypes } from '../checkpoint/floatTypes.js';
import { refuseForeign } from '../files/refuseForeign.js';
import { mergeAdapter } from '../jobs/merge.js';
import { usualThreads } from '../settings/config.js';
import { type AdapterFlags, addAdapterFlags } from './adapterFlags.js';
import { addCommonFlags, type CommonFlags, perform } from './perform.js';
import type { Terminal } from './terminal.js';
import { addTrainFlags } from './trainFlags.js';

interface Flags extends CommonFlags, AdapterFlags {
  readonly adapter: string;
  readonly output: string;
  readonly overwrite?: boolean;
  readonly dtype?: FloatType;
  readonly model?: string;
  readonly anyBase?: boolean;
}

export function mergeCommand(terminal: Terminal): Command {
  const command = new Command('merge')
    .description('Fold an adapter into its base model: a plain checkpoint that transformers loads.')
    .requiredOption('--adapter <folder>', 'run folder or adapter folder')
    .requiredOption('--output <folder>', 'model folder to be made')
    .option('--overwrite', 'replace a model folder that is there, once the new one is complete')
    .addOption(
      new Option('--dtype <type>', "type of all weights that are written (default: the base model's)").choices(
        floatTypes,
      ),
    )
    .option('--model <model>', 'base model, where it is not the one that the adapter names');
  addAdapterFlags(command);
  addCommonFlags(command);
  addTrainFlags(command, ['anyBase']);
  return command
    .addHelpText('after', '\nExample:\n  $ diffora merge --adapter runs/reviews --output models/reviews')
    .action(async (flags: Flags) => {
      const { adapter, output, overwrite = false, dtype, model, anyBase, taskType } = flags;
      await perform(terminal, flags, {
        output,
        run: async (session) => {
          if (overwrite) await refuseForeign(output, 'model.safetensors');
          const threads = usualThreads;
          return mergeAdapter({ adapter, output, overwrite, dtype, model, anyBase, taskType, threads, ...session });
        },
        text: (merged) => `Merged model written to ${merged.output} (${merged.tensors} tensors, ${merged.dtype})`,
      });
    });
}
