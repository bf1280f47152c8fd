import { existsSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { checkpointName, checkpointsOf, type Manifest } from '../artifacts/checkpoints/format.js';
import { checkpointFromFirst } from '../artifacts/checkpoints/fromFirst.js';
import { identityOf, refuseChangedConfig, refuseChangedInputs } from '../artifacts/checkpoints/identity.js';
import { Journal } from '../artifacts/checkpoints/journal.js';
import { KeptNumbers, keptStage } from '../artifacts/checkpoints/kept.js';
import { type Checkpoint, newestCheckpoint } from '../artifacts/checkpoints/read.js';
import { withProgressFile } from '../artifacts/progressFile.js';
import { type RunOutputOptions, type RunPlace, withRunOutput } from '../artifacts/runOutput.js';
import { versions } from '../artifacts/runRecord.js';
import { NotFiniteError } from '../engine/notFinite.js';
import { DiffoError, usageError } from '../errors.js';
import type { Ranks } from '../mpi/ranks.js';
import { type ProgressOptions, type Reporter, silent } from '../reporter.js';
import { deviceOfRank } from '../runtime/devices/deviceOfRank.js';
import { openDevice } from '../runtime/devices/openDevice.js';
import { flatConfig, type TrainConfig } from '../settings/config.js';
import type { Keep } from '../state.js';
import { agreedSignal } from './agreed.js';
import { refuseOthers } from './alike.js';
import { guardMemory } from './estimate.js';
import { type GivenSplits, openWorkspace, type Workspace } from './workspace.js';

/** A run, and the folder that it makes. */
export interface RunOptions extends ProgressOptions {
  /** With `saveSteps`, checkpoints are kept in the run folder while the run goes on. */
  readonly config: TrainConfig;
  /** Folder to be made. */
  readonly output: string;
  /** Replace a folder that is there, once the new one is complete. */
  readonly overwrite?: boolean;
  /**
   * Go on from the newest checkpoint in the folder, or from the beginning where there is none. The run gives the same
   * bits as one without a break.
   */
  readonly resume?: boolean;
  /**
   * Rows of the task that were read already.
   * @internal
   */
  readonly splits?: GivenSplits | undefined;
  /**
   * Ranks that do the run together. The first writes the folder; the others write nothing.
   * @internal
   */
  readonly ranks?: Ranks | undefined;
}

/** A run that is about to begin, or to go on. */
export interface SavedRun extends Pick<RunPlace, 'finish'> {
  /** As it is followed: with the name of the device that was found, where it asked for any. */
  readonly config: TrainConfig;
  readonly workspace: Workspace;
  readonly journal: Journal | undefined;
  readonly isResumed: boolean;
  /** The one that was given, and progress.jsonl. */
  readonly reporter: Reporter;
  readonly ranks: Ranks | undefined;
  /** Aborted on all ranks at once. */
  readonly signal: AbortSignal | undefined;
  readonly agree: (() => Promise<void>) | undefined;
}

/**
 * Opens model and data, and with `saveSteps` the checkpoints, held to what the run was started with; then works with
 * them. Where the work fails, the message says which checkpoint is kept.
 * @throws DiffoError (usage) where a run cannot be resumed, or was started with other settings or data
 */
export function withSavedRun<T>(
  options: RunOptions,
  command: Manifest['command'],
  work: (run: SavedRun) => Promise<T>,
): Promise<T> {
  const { output, overwrite, resume = false, reporter: told = silent, ranks } = options;
  const { saveSteps: every, reduce } = options.config.run;
  if (resume && overwrite) throw usageError('--resume goes on and --overwrite starts again. Leave one out.');
  if (resume && every === undefined)
    throw usageError(
      `Nothing is saved in ${output} yet, so nothing can be resumed. To resume later, start with --save-steps.`,
    );
  if (ranks === undefined && reduce === 'bf16') {
    told.warn('reduce bf16 is how ranks send gradients; this run has one process, and nothing is rounded.');
  }
  const { signal, agree } =
    ranks === undefined ? { ...options, agree: undefined } : agreedSignal(ranks, options.signal);
  return withPlace(output, { overwrite, resume, checkpoints: every !== undefined }, ranks, async (place) => {
    const config = await onNamedDevice(options.config, told, ranks);
    const run = { ...options, config };
    const together = { config, ranks, signal, agree };
    if (place.going === undefined) return workIn(place, run, { ...together, reporter: told }, command, work);
    const begun = { command, config: { ...flatConfig(config) }, isResumed: resume };
    return withProgressFile(place.going, begun, { reporter: told, signal }, (reporter, isDone) => {
      const finish: RunPlace['finish'] = (fill) =>
        place.finish(async (folder) => {
          const result = await fill(folder);
          await isDone();
          return result;
        });
      return workIn({ ...place, finish }, run, { ...together, reporter }, command, work);
    });
  });
}

/** Where a rank works: the folder is the first rank's. */
type Place = Omit<RunPlace, 'going'> & Partial<Pick<RunPlace, 'going'>>;

async function workIn<T>(
  { checkpoints: folder, finish }: Place,
  { output, resume = false, splits }: RunOptions,
  together: Pick<SavedRun, 'config' | 'ranks' | 'signal' | 'agree' | 'reporter'>,
  command: Manifest['command'],
  work: (run: SavedRun) => Promise<T>,
): Promise<T> {
  const { config, ranks, signal, reporter } = together;
  const { saveSteps: every, keepCheckpoints } = config.run;
  if (every === undefined) {
    const workspace = await openFitting(config, ranks, reporter, signal, splits);
    if (ranks !== undefined) await refuseOthers(ranks, config, await identityOf(workspace, config.selection));
    return work({ workspace, journal: undefined, isResumed: false, finish, ...together });
  }
  const newest = async () => (resume ? newestCheckpoint(folder!, reporter.warn) : undefined);
  const found = ranks === undefined ? await newest() : await checkpointFromFirst(ranks, newest);
  if (found !== undefined) {
    refuseChangedConfig(found, command, config, reporter.warn);
    const [before, now] = [found.manifest.ranks ?? 1, ranks?.size ?? 1];
    if (before !== now) {
      reporter.warn(
        `The run was started on ${ranksOf(before)} and goes on with ${now}: last bits may differ from those of a run without a break.`,
      );
    }
  }
  const kept = new KeptNumbers(found?.stages.get(keptStage));
  const workspace = await openFitting(config, ranks, reporter, signal, splits, kept.keep);
  const identity = await identityOf(workspace, config.selection);
  if (ranks !== undefined) await refuseOthers(ranks, config, identity);
  if (found !== undefined) refuseChangedInputs(found.manifest.identity, identity);
  if (resume) reporter.info(startingPoint(found, output));
  const many = ranks === undefined ? {} : { ranks: ranks.size };
  const described = { command, ...many, versions: versions(), config: { ...flatConfig(config) }, identity };
  const journal = new Journal({ folder, every, keep: keepCheckpoints, described, found, kept, signal });
  await journal.begin();
  const isResumed = found !== undefined;
  return work({ workspace, journal, isResumed, finish, ...together }).catch((error) => {
    const last = join(folder ?? checkpointsOf(resolve(output)), checkpointName(journal.savedSteps));
    if (!(error instanceof DiffoError) || journal.savedSteps === 0 || !existsSync(last)) throw error;
    const kept =
      error instanceof NotFiniteError
        ? `The last finite state is kept in ${last}.`
        : `${last} is kept, and --resume goes on from it.`;
    throw new DiffoError(`${error.message} ${kept}`, { exitCode: error.exitCode, cause: error });
  });
}

const ranksOf = (count: number) => (count === 1 ? 'one process' : `${count} ranks`);

/** The folder of a run, which the first rank has; the others wait for what it says of it. */
async function withPlace<T>(
  output: string,
  options: RunOutputOptions,
  ranks: Ranks | undefined,
  make: (place: Place) => Promise<T>,
): Promise<T> {
  if (ranks === undefined) return withRunOutput(output, options, make);
  if (ranks.rank > 0) {
    await ranks.fromFirst(() => {});
    return make({ checkpoints: undefined, finish: () => ranks.fromFirst(() => undefined as never) });
  }
  let isMade = false;
  return withRunOutput(output, options, async (place) => {
    isMade = true;
    await ranks.fromFirst(() => {});
    return make({ ...place, finish: (fill) => ranks.fromFirst(() => place.finish(fill)) });
  }).catch(async (error) => {
    if (!isMade) await ranks.fromFirst(() => Promise.reject(error));
    throw error;
  });
}

/** The configuration with the device by its own name: `auto` is looked for once, and is not what a record is to say. */
async function onNamedDevice(
  { run, ...rest }: TrainConfig,
  reporter: Reporter,
  ranks: Ranks | undefined,
): Promise<TrainConfig> {
  if (run.device === undefined) return { ...rest, run };
  const device = await deviceOfRank(run.device, ranks?.local);
  return { ...rest, run: { ...run, device: (await openDevice(device, { reporter, precision: run.precision })).name } };
}

async function openFitting(
  config: TrainConfig,
  ranks: Ranks | undefined,
  reporter: Reporter,
  signal?: AbortSignal,
  splits?: GivenSplits,
  keep?: Keep,
): Promise<Workspace> {
  const workspace = await openWorkspace(config, reporter, signal, splits, keep);
  const { optimisation } = config;
  const accumulate = optimisation.accumulate * (ranks?.size ?? 1);
  guardMemory(workspace, { ...config, optimisation: { ...optimisation, accumulate } }, reporter);
  return workspace;
}

function startingPoint(found: Checkpoint | undefined, output: string): string {
  if (found === undefined) return `Nothing was saved in ${output} yet: the run starts from the beginning.`;
  const stages = [...found.stages].filter(([name]) => name !== keptStage).map(([name, { step }]) => `${name} ${step}`);
  return `Going on from ${found.path}${stages.length === 0 ? '' : ` (steps: ${stages.join(', ')})`}.`;
}
