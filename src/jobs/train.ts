import { basename, resolve } from 'node:path';
import { secondsSince } from '../artifacts/runRecord.js';
import { joined, type RunLog } from '../logs/log.js';
import { logTargets } from '../logs/registry.js';
import type { Reporter } from '../reporter.js';
import { flatConfig, type TrainConfig } from '../settings/config.js';
import { type RunRecord, writeRun } from './runFolder.js';
import { type RunOptions, withSavedRun } from './savedRun.js';
import { type TrainedRun, trainIn } from './trainedRun.js';

/** A run folder that has been written. */
export interface FinishedRun {
  /** run.json */
  readonly record: RunRecord;
  /** @internal */
  readonly run: TrainedRun;
}

/** `diffora train`: a run folder with adapter/, dam.json, metrics.jsonl and run.json, whole or not at all. */
export async function train(options: RunOptions): Promise<FinishedRun> {
  const started = performance.now();
  return withSavedRun(options, 'train', async ({ config, workspace, journal, isResumed, finish, ...context }) => {
    const { ranks, reporter } = context;
    const isFirst = ranks === undefined || ranks.rank === 0;
    const log = isFirst ? await openLogs(config, options.output, isResumed, reporter) : undefined;
    const run = await trainIn(workspace, config, { log, journal, ...context }).catch(async (error) => {
      await log?.end('failed');
      throw error;
    });
    await log?.end('finished');
    const seconds = { ...run.seconds, total: secondsSince(started) };
    const of = { workspace, run, command: 'train', seconds, ranks: ranks?.size } as const;
    return { record: await finish((folder) => writeRun(folder, of)), run };
  });
}

/** The logs that a configuration asks for. */
async function openLogs(
  config: TrainConfig,
  output: string,
  isResumed: boolean,
  { warn }: Reporter,
): Promise<RunLog | undefined> {
  const { log, logDir } = config.run;
  if (log.length === 0) return undefined;
  const path = resolve(output);
  const settings = { ...flatConfig(config) };
  const context = { folder: logDir ?? `${path}-logs`, name: basename(path), config: settings, isResumed, warn };
  const logs: RunLog[] = [];
  try {
    for (const name of new Set(log)) logs.push(await logTargets[name].open(context));
  } catch (error) {
    await joined(logs).end('failed');
    throw error;
  }
  return joined(logs);
}
