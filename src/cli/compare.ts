import { Command, type Command as CommanderCommand, Option } from 'commander';
import { usageError } from '../errors.js';
import { parseCompareConfig } from '../jobs/compare/config.js';
import { endPlaces, placesOf, workForFirst } from '../jobs/compare/ranks.js';
import { compare } from '../jobs/compare/run.js';
import type { Shard } from '../jobs/compare/shard.js';
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
  readonly shard?: Shard;
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
    .addOption(
      new Option(
        '--shard <i/n>',
        'do every n-th cell, from the i-th: n processes with one folder, such as an array of Slurm; --report-only writes the tables',
      ).argParser(shardOf),
    )
    .option('--any-code', 'count runs of another version of diffora as done, too')
    .option('--report-only', 'train nothing; write the tables of the runs that are there');
  addCommonFlags(command);
  return command
    .addHelpText('after', '\nExample:\n  $ diffora compare examples/smoke.yaml --output runs/smoke')
    .action(async (file: string, flags: Flags) => {
      const { output, dataDir, jobs, threads, anyCode, reportOnly, shard } = flags;
      const { settings } = await readConfigFile(file);
      const config = parseCompareConfig(settings, file);
      const { ranks } = terminal;
      if (ranks !== undefined && jobs > 1) {
        throw usageError('Each rank does one run at a time. Leave --jobs out, and start more ranks.');
      }
      if (shard !== undefined && reportOnly === true) {
        throw usageError('--report-only writes the tables of all shards. Leave --shard out.');
      }
      if (ranks !== undefined && ranks.rank > 0) {
        const own = threads === usualThreads ? ranks.threads : threads;
        await perform(terminal, flags, {
          run: async ({ signal }) => {
            await workForFirst(ranks, { signal, threads: own });
            return {};
          },
          text: () => '',
        });
        return;
      }
      const options = { config, output, dataDir, jobs, threads, anyCode, reportOnly, shard };
      await perform(terminal, flags, {
        kept: () => `what is finished stays in ${output}, and the same command goes on`,
        run: async ({ reporter, signal }) => {
          const done = compare({ ...options, places: ranks && placesOf(ranks), reporter, signal });
          const comparison = await (ranks === undefined
            ? done
            : done.then(
                (found) => endPlaces(ranks).then(() => found),
                (error) => endPlaces(ranks, error).then(() => Promise.reject(error)),
              ));
          // Loaded late: the figures bring 200 ms of libraries that no other command should wait for.
          const { writeComparison } = await import('../report/compare/write.js');
          return writeComparison(comparison, output, shard);
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

/** @throws DiffoError (usage) */
function shardOf(text: string): Shard {
  const found = /^(\d+)\/(\d+)$/.exec(text);
  const [index, count] = [Number(found?.[1]), Number(found?.[2])];
  if (found !== null && index >= 1 && index <= count) return { index, count };
  throw usageError(`--shard ${text}: it takes a number of a shard and how many there are, such as 3/8.`);
}

function count(flag: string): (text: string) => number {
  return (text) => {
    const value = Number(text);
    if (!Number.isInteger(value) || value < 1)
      throw usageError(`${flag} ${text}: it takes a whole number of at least 1.`);
    return value;
  };
}
