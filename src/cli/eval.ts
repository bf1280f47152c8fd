import { Command, Option } from 'commander';
import { evaluateAdapter } from '../jobs/evaluate.js';
import { formatScores } from '../report/scores.js';
import { formatFacts } from '../report/table.js';
import { formatCount } from '../report/units.js';
import { deviceOfRank } from '../runtime/devices/deviceOfRank.js';
import { usualThreads } from '../settings/config.js';
import { type AdapterFlags, addAdapterFlags } from './adapterFlags.js';
import { addCommonFlags, type CommonFlags, perform } from './perform.js';
import type { Terminal } from './terminal.js';
import { addTrainFlags, givenSettings } from './trainFlags.js';

interface Flags extends CommonFlags, AdapterFlags {
  readonly adapter: string;
  readonly split?: 'train' | 'dev' | 'test';
}

export function evalCommand(terminal: Terminal): Command {
  const command = new Command('eval')
    .description("Score an adapter on a split of a task, or on all rows of a file, by the task's metrics.")
    .requiredOption('--adapter <folder>', 'run folder or adapter folder')
    .addOption(new Option('--split <split>', 'which split of a task (default: dev)').choices(['train', 'dev', 'test']));
  addAdapterFlags(command);
  addCommonFlags(command);
  addTrainFlags(command, [
    'task',
    'dataDir',
    'textColumn',
    'pairColumn',
    'labelColumn',
    'maxEvalSamples',
    'metrics',
    'maxLength',
    'stride',
    'nullScoreDiffThreshold',
    'threads',
    'device',
    'anyBase',
  ]);
  return command
    .option('--model <model>', 'base model, where it is not the one that the adapter names')
    .addHelpText(
      'after',
      `
Example:
  $ diffora eval --adapter runs/cola --task cola --data-dir glue --split dev
  $ diffora eval --adapter runs/squad --task my-questions.jsonl`,
    )
    .action(async (flags: Flags) => {
      const { adapter, split, taskType } = flags;
      const settings = givenSettings({ ...flags });
      await perform(terminal, flags, {
        run: async (session) =>
          evaluateAdapter({
            ...settings,
            adapter,
            split,
            taskType,
            threads: settings.threads ?? session.ranks?.threads ?? usualThreads,
            ...session,
            ranks: session.ranks,
            device: await deviceOfRank(settings.device, session.ranks?.local),
          }),
        text: ({ task, split, examples, source, scores }) =>
          formatFacts(
            [
              [split === undefined ? task : `${task} ${split}`, formatScores(scores)],
              ['examples', `${formatCount(examples)} of ${source}`],
            ],
            terminal.screen,
          ),
        json: (result) => ({ ...result, adapter }),
      });
    });
}
