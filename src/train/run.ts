import { basename, resolve } from 'node:path';
import { withOutputFolder } from '../files/atomic.js';
import type { Dam } from '../selection/dam.js';
import { methodOf } from './adapterFolder.js';
import type { TrainConfig } from './config.js';
import { joined, type RunLog } from './log/log.js';
import { logTargets } from './log/registry.js';
import type { Reporter } from './reporter.js';
import { commonRecord, type RunRecord, writeRun, writeSelection } from './runFolder.js';
import { peakMemory, secondsSince } from './runRecord.js';
import { selectModules } from './select.js';
import { type TrainedRun, trainIn } from './trainedRun.js';
import { openWorkspace } from './workspace.js';

export interface RunOptions {
  readonly config: TrainConfig;
  /** Folder to be made. */
  readonly output: string;
  /** Replace a folder that is there, once the new one is complete. */
  readonly overwrite?: boolean;
  readonly reporter: Reporter;
  readonly signal?: AbortSignal | undefined;
}

export interface FinishedRun {
  /** run.json */
  readonly record: RunRecord;
  readonly run: TrainedRun;
}

/** `diffora train`: a run folder with adapter/, dam.json, metrics.jsonl and run.json, whole or not at all. */
export async function train({ config, output, overwrite, reporter, signal }: RunOptions): Promise<FinishedRun> {
  const started = performance.now();
  return withOutputFolder(
    output,
    async (folder) => {
      const workspace = await openWorkspace(config, reporter, signal);
      const log = await openLogs(config, output, reporter);
      const run = await trainIn(workspace, config, reporter, signal, log).catch(async (error) => {
        await log?.end('failed');
        throw error;
      });
      await log?.end('finished');
      const seconds = { ...run.seconds, total: secondsSince(started) };
      // A run that goes on from an adapter has its method.
      const used = workspace.adapter ? { ...config, method: methodOf(workspace.adapter) } : config;
      return { record: await writeRun(folder, { workspace, run, config: used, command: 'train', seconds }), run };
    },
    { existing: overwrite ? 'replace' : 'refuse' },
  );
}

/** The logs that a configuration asks for. */
async function openLogs(config: TrainConfig, output: string, { warn }: Reporter): Promise<RunLog | undefined> {
  if (config.log.length === 0) return undefined;
  const path = resolve(output);
  const context = { folder: config.logDir ?? `${path}-logs`, name: basename(path), config, warn };
  const logs: RunLog[] = [];
  for (const name of new Set(config.log)) logs.push(await logTargets[name].open(context));
  return joined(logs);
}

/** `diffora select`: only dam.json and run.json. */
export async function select({
  config,
  output,
  overwrite,
  reporter,
  signal,
}: RunOptions): Promise<{ record: RunRecord; dam: Dam }> {
  const started = performance.now();
  return withOutputFolder(
    output,
    async (folder) => {
      const workspace = await openWorkspace(config, reporter, signal);
      const { opened, task, train } = workspace;
      const { dam } = await selectModules(opened.model, task, train.encoded, config, reporter, signal);
      const record: RunRecord = {
        ...commonRecord(workspace, config, 'select'),
        steps: { search: dam.search?.steps ?? 0, train: 0 },
        seconds: { total: secondsSince(started) },
        peakMemoryBytes: peakMemory(),
      };
      await writeSelection(folder, record, dam);
      return { record, dam };
    },
    { existing: overwrite ? 'replace' : 'refuse' },
  );
}
