import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { checkpointName, type Manifest } from '../artifacts/checkpoints/format.js';
import { identityOf, refuseChangedConfig, refuseChangedInputs } from '../artifacts/checkpoints/identity.js';
import { Journal } from '../artifacts/checkpoints/journal.js';
import { KeptNumbers, keptStage } from '../artifacts/checkpoints/kept.js';
import { type Checkpoint, newestCheckpoint } from '../artifacts/checkpoints/read.js';
import { type RunPlace, withRunOutput } from '../artifacts/runOutput.js';
import { versions } from '../artifacts/runRecord.js';
import { NotFiniteError } from '../engine/notFinite.js';
import { DiffoError, usageError } from '../errors.js';
import { type ProgressOptions, type Reporter, silent } from '../reporter.js';
import { openDevice } from '../runtime/devices/openDevice.js';
import { flatConfig, type TrainConfig } from '../settings/config.js';
import type { Keep } from '../state.js';
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
}

/** A run that is about to begin, or to go on. */
export interface SavedRun extends Pick<RunPlace, 'finish'> {
  /** As it is followed: with the name of the device that was found, where it asked for any. */
  readonly config: TrainConfig;
  readonly workspace: Workspace;
  readonly journal: Journal | undefined;
  readonly isResumed: boolean;
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
  const { output, overwrite, resume = false, reporter = silent, signal, splits } = options;
  const { saveSteps: every, keepCheckpoints } = options.config.run;
  if (resume && overwrite) throw usageError('--resume goes on and --overwrite starts again. Leave one out.');
  if (resume && every === undefined)
    throw usageError(
      `Nothing is saved in ${output} yet, so nothing can be resumed. To resume later, start with --save-steps.`,
    );
  return withRunOutput(output, { overwrite, resume, checkpoints: every !== undefined }, async (place) => {
    const config = await onNamedDevice(options.config, reporter);
    const folder = place.checkpoints;
    if (folder === undefined || every === undefined) {
      const workspace = await openFitting(config, reporter, signal, splits);
      return work({ config, workspace, journal: undefined, isResumed: false, finish: place.finish });
    }
    const found = resume ? await newestCheckpoint(folder, reporter.warn) : undefined;
    if (found !== undefined) refuseChangedConfig(found, command, config, reporter.warn);
    const kept = new KeptNumbers(found?.stages.get(keptStage));
    const workspace = await openFitting(config, reporter, signal, splits, kept.keep);
    const identity = await identityOf(workspace, config.selection);
    if (found !== undefined) refuseChangedInputs(found.manifest.identity, identity);
    if (resume) reporter.info(startingPoint(found, output));
    const described = { command, versions: versions(), config: { ...flatConfig(config) }, identity };
    const journal = new Journal({ folder, every, keep: keepCheckpoints, described, found, kept, signal });
    await journal.begin();
    return work({ config, workspace, journal, isResumed: found !== undefined, finish: place.finish }).catch((error) => {
      const last = join(folder, checkpointName(journal.savedSteps));
      if (!(error instanceof DiffoError) || journal.savedSteps === 0 || !existsSync(last)) throw error;
      const kept =
        error instanceof NotFiniteError
          ? `The last finite state is kept in ${last}.`
          : `${last} is kept, and --resume goes on from it.`;
      throw new DiffoError(`${error.message} ${kept}`, { exitCode: error.exitCode, cause: error });
    });
  });
}

/** The configuration with the device by its own name: `auto` is looked for once, and is not what a record is to say. */
async function onNamedDevice({ run, ...rest }: TrainConfig, reporter: Reporter): Promise<TrainConfig> {
  if (run.device === undefined) return { ...rest, run };
  return {
    ...rest,
    run: { ...run, device: (await openDevice(run.device, { reporter, precision: run.precision })).name },
  };
}

async function openFitting(
  config: TrainConfig,
  reporter: Reporter,
  signal?: AbortSignal,
  splits?: GivenSplits,
  keep?: Keep,
): Promise<Workspace> {
  const workspace = await openWorkspace(config, reporter, signal, splits, keep);
  guardMemory(workspace, config, reporter);
  return workspace;
}

function startingPoint(found: Checkpoint | undefined, output: string): string {
  if (found === undefined) return `Nothing was saved in ${output} yet: the run starts from the beginning.`;
  const stages = [...found.stages].filter(([name]) => name !== keptStage).map(([name, { step }]) => `${name} ${step}`);
  return `Going on from ${found.path}${stages.length === 0 ? '' : ` (steps: ${stages.join(', ')})`}.`;
}
