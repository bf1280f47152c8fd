import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import type { Command } from 'commander';
import { checkpointName, checkpointsOf, stepOf } from '../artifacts/checkpoints/format.js';
import { refuseOtherCommand } from '../artifacts/checkpoints/identity.js';
import { newestManifest } from '../artifacts/checkpoints/read.js';
import { readRunFile } from '../artifacts/runFile.js';
import { isComplete, tidyComplete } from '../artifacts/runOutput.js';
import { usageError } from '../errors.js';
import { refuseForeign } from '../files/refuseForeign.js';
import type { LaunchedRanks } from '../mpi/openRanks.js';
import { parseTrainConfig, type RunCommand, type TrainConfig, type TrainConfigInput } from '../settings/config.js';
import { type CommonFlags, type Job, perform, type Session } from './perform.js';
import type { Terminal } from './terminal.js';
import { blamed, readConfigFile, readTrainConfig, withoutGiven } from './trainConfig.js';

/** The flags of commands that make a run folder. */
export interface RunFlags extends CommonFlags {
  readonly output: string;
  readonly overwrite?: boolean;
  readonly resume?: boolean;
  readonly config?: string;
}

export function addRunFlags(command: Command): void {
  command
    .requiredOption('--output <folder>', 'run folder to be made')
    .option('--overwrite', 'replace a run folder that is there, once the new one is complete')
    .option('--resume', 'go on from the newest checkpoint in --output; needs no other flags')
    .option('--config <file>', 'YAML or JSON with settings, or the run.json of a run; flags win over it');
}

/**
 * The configuration of a run: that of the flags and the file; with `--resume` that which the run was started with, and
 * over it what is given.
 * @throws DiffoError (usage) where nothing was saved and too little is given to start from the beginning
 */
export async function readRunConfig(
  { output, config: file, resume }: RunFlags,
  given: Partial<TrainConfigInput>,
  command: RunCommand,
  ranks?: LaunchedRanks,
): Promise<TrainConfig> {
  const read = async () => (resume === true ? newestManifest(checkpointsOf(output)) : undefined);
  const saved = ranks === undefined ? await read() : await ranks.fromFirst(read);
  // Those of a machine divide its threads among them, unless they are told how many each has.
  const usual = ranks === undefined || saved?.ranks === ranks.size ? {} : { threads: ranks.threads };
  if (saved !== undefined) {
    refuseOtherCommand(saved, output, command);
    const { settings, recorded } = await readConfigFile(file);
    const own = [...Object.keys(saved.config).filter((name) => !Object.hasOwn(settings, name)), ...recorded];
    const merged = { ...saved.config, ...usual, ...settings, ...given };
    return parseTrainConfig(merged, blamed(file, given), { command, recorded: withoutGiven(own, given) });
  }
  if (resume === true && file === undefined && given.task === undefined) {
    throw usageError(
      `Nothing was saved in ${output} yet, so there is nothing to resume. Give the settings of the run to start it from the beginning.`,
    );
  }
  return readTrainConfig(file, given, command, usual);
}

interface RunJob<T extends object> extends Required<Pick<Job<T>, 'text' | 'json'>> {
  readonly command: RunCommand;
  readonly readConfig: () => Promise<TrainConfig>;
  readonly run: (config: TrainConfig, session: Session) => Promise<T>;
}

/** Does the work of a run, or says of one to be resumed that it is complete. */
export async function performRun<T extends object>(
  terminal: Terminal,
  flags: RunFlags,
  { command, readConfig, run, text, json }: RunJob<T>,
): Promise<void> {
  const { output, overwrite = false, resume = false } = flags;
  const complete = async () => resume && (await isComplete(output));
  const { ranks } = terminal;
  if (ranks === undefined ? await complete() : await ranks.fromFirst(complete)) {
    await perform(terminal, flags, {
      run: async () => {
        const tidied = async () => {
          await tidyComplete(output);
          return readRunFile(output);
        };
        return ranks === undefined ? tidied() : ranks.fromFirst(tidied);
      },
      text: () => `${output} is complete; there is nothing to resume.`,
      json: (record) => ({ ...record, output }),
    });
    return;
  }
  const config = await readConfig();
  await perform<T>(terminal, flags, {
    text,
    json,
    output,
    kept: () => savedPart(output, command),
    run: async (session) => {
      const refused = async () => {
        if (overwrite) await refuseForeign(output, 'run.json', 'checkpoints');
      };
      await (ranks === undefined ? refused() : ranks.fromFirst(refused));
      return run(config, session);
    },
  });
}

/** What is left of a run that was broken off; undefined where nothing is. */
function savedPart(output: string, command: string): string | undefined {
  const folder = checkpointsOf(output);
  try {
    const steps = readdirSync(folder)
      .map(stepOf)
      .filter((step) => step !== undefined);
    if (steps.length === 0) return undefined;
    const newest = join(folder, checkpointName(Math.max(...steps)));
    return `${newest} is saved, and diffora ${command} --resume --output ${output} goes on from there`;
  } catch {
    return undefined;
  }
}
