import { Command, type Command as CommanderCommand, Option } from 'commander';
import { usageError } from '../errors.js';
import { parseCompareConfig } from '../jobs/compare/config.js';
import { compare } from '../jobs/compare/run.js';
import { comparisonView } from '../report/compare/view.js';
import { usualThreads } from '../settings/config.js';
import { addCommonFlags, type CommonFlags, perform } from './perform.js';
import type { Terminal } from './terminal.js';
import { readConfigFile } from './trainConfig.js';

interface Flags extends CommonFlags {
  readonly output: string;
  readonly dataDir?: string;
  readonly jobs: number;
  readonly threads: number;
  readonly anyCode?: boolean;
  readonly reportOnly?: boolean;
}

export function compareCommand(terminal: Terminal): CommanderCommand {
  const command = new Command('compare')
    .description(
      'Compare methods on tasks over seeds at one or more budgets of trainable parameters. Stopped and started again, it goes on where it was. Writes results.jsonl, results.csv, results.md and report.html.',
    )
    .argument('<config>', 'YAML or JSON: tasks, methods, seeds, budget or budgets, learningRates (docs/compare.md)')
    .requiredOption('--output <folder>', 'folder of the comparison')
    .option('--data-dir <folder>', 'folder with a sub-folder for each known task (default: DIFFORA_DATA, else the hub)')
    .addOption(new Option('--jobs <count>', 'runs at a time, each a process').default(1).argParser(count('--jobs')))
    .addOption(
      new Option('--threads <count>', 'CPU threads, divided among the jobs')
        .default(usualThreads)
        .argParser(count('--threads')),
    )
    .option('--any-code', 'count runs of another version of diffora as done, too')
    .option('--report-only', 'train nothing; write the tables of the runs that are there');
  addCommonFlags(command);
  return command
    .addHelpText('after', '\nExample:\n  $ diffora compare examples/smoke.yaml --output runs/smoke')
    .action(async (file: string, flags: Flags) => {
      const { output, dataDir, jobs, threads, anyCode, reportOnly } = flags;
      const { settings } = await readConfigFile(file);
      const config = parseCompareConfig(settings, file);
      await perform(terminal, flags, {
        kept: () => `what is finished stays in ${output}, and the same command goes on`,
        run: async ({ reporter, signal }) => {
          const options = { config, output, dataDir, jobs, threads, anyCode, reporter };
          // Loaded late: the figures bring 200 ms of libraries that no other command should wait for.
          const { asItFills, writeComparison } = await import('../report/compare/write.js');
          const comparison = await compare({ ...options, filled: asItFills(output), reportOnly, signal });
          return writeComparison(comparison, output);
        },
        text: (summary) => comparisonView(summary, output, terminal.screen),
        failure: ({ failed, missing }) => {
          if (failed > 0) return `${failed} runs failed; the same command tries them again.`;
          return missing > 0
            ? `${missing} runs are missing; the same command without --report-only trains them.`
            : undefined;
        },
        json: (summary) => ({ ...summary, output }),
      });
    });
}

function count(flag: string): (text: string) => number {
  return (text) => {
    const value = Number(text);
    if (!Number.isInteger(value) || value < 1)
      throw usageError(`${flag} ${text}: it takes a whole number of at least 1.`);
    return value;
  };
}
