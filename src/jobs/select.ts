import { peakMemory, secondsSince } from '../artifacts/runRecord.js';
import type { Dam } from '../selection/dam.js';
import { flatConfig, parseTrainConfig, type TrainConfig } from '../settings/config.js';
import { commonRecord, type RunRecord, writeSelection } from './runFolder.js';
import { type RunOptions, withSavedRun } from './savedRun.js';
import { selectModules } from './selectModules.js';

/** `diffora select`: only dam.json and run.json. */
export async function select(options: RunOptions): Promise<{ record: RunRecord; dam: Dam }> {
  const started = performance.now();
  const asked = { ...options, config: forSelection(options.config) };
  return withSavedRun(asked, 'select', async ({ config, workspace, journal, finish, ...context }) => {
    const { opened, task, train } = workspace;
    const { dam } = await selectModules(opened.model, task, train.encoded, config, { journal, ...context });
    const record: RunRecord = {
      ...commonRecord(workspace, config, 'select', context.ranks?.size),
      steps: { search: dam.search?.steps ?? 0, train: 0 },
      seconds: { total: secondsSince(started) },
      peakMemoryBytes: peakMemory(),
    };
    await finish((folder) => writeSelection(folder, record, dam));
    return { record, dam };
  });
}

/**
 * A configuration as a selection alone reads it.
 * @throws DiffoError (usage) for one that says something of a training
 */
function forSelection(config: TrainConfig): TrainConfig {
  const settings = flatConfig(config);
  return parseTrainConfig(settings, 'config', { command: 'select', recorded: new Set(Object.keys(settings)) });
}
