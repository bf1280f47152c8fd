import { readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { splitHash } from '../../data/split.js';
import type { Example } from '../../data/types.js';
import { checkWritable, makeFolders } from '../../files/atomic.js';
import { fileError } from '../../files/errors.js';
import { holdFolder } from '../../files/heldFolder.js';
import type { RunningWork } from '../../progress.js';
import type { Reporter } from '../../reporter.js';
import type { TrainConfig } from '../../settings/config.js';
import { kindSettings } from '../../tasks/kinds/kind.js';
import { loadSplit } from '../../tasks/splits.js';
import type { Task } from '../../tasks/task.js';
import { openConfiguredTask } from '../configuredTask.js';
import { unreadByTask } from '../taskSettings.js';
import { usedOf } from '../workspace.js';
import { codeVersion } from './codeVersion.js';
import { type CompareConfig, type ComparedTask, heldOut, refuseIdle, runConfig } from './config.js';
import { Grid } from './grid.js';
import { type Cell, type ComparedData, isSameCell, type Job, runName } from './jobs.js';
import { type LeftOut, leftOutOf } from './leftOut.js';
import type { WorkerOutcome } from './process.js';
import { here, type Place } from './ranks.js';
import { RecordStore } from './recordStore.js';
import { appendRecord, type CompareRecord, readRecords } from './records.js';
import { isCellOf, recordFiles, type Shard } from './shard.js';
import type { Drawn } from './tune.js';

export interface CompareOptions {
  readonly config: CompareConfig;
  /** Folder of the comparison; made where it is missing, gone on from where it has records. */
  readonly output: string;
  readonly dataDir?: string | undefined;
  /** Processes at a time; the threads are divided among them. */
  readonly jobs: number;
  /** Where runs are done, one at a time in each, in the place of `jobs` processes of this machine. */
  readonly places?: readonly Place[] | undefined;
  /** Cells that this process does, of those that others do with the same folder; left out, all. */
  readonly shard?: Shard | undefined;
  readonly threads: number;
  /** Counts runs of another version of diffora as done. */
  readonly anyCode?: boolean | undefined;
  /** Trains nothing, only collects what there is. */
  readonly reportOnly?: boolean | undefined;
  /** Given the comparison as it fills, after each of its runs. */
  readonly filled?: ((comparison: Comparison) => Promise<void>) | undefined;
  readonly reporter: Reporter;
  readonly signal?: AbortSignal | undefined;
}

/** A task as the report needs it. */
export interface ReportedTask {
  readonly name: string;
  readonly task: Task;
  /** Scored examples of the dev split, and the class or score of each where it has one. */
  readonly examples: number;
  readonly labels: readonly number[];
}

/** The state of a comparison: every record of its grid that there is, in the grid's order. */
export interface Comparison {
  readonly config: CompareConfig;
  readonly tasks: readonly ReportedTask[];
  readonly runs: readonly CompareRecord[];
  /** Methods that cannot be as small as a budget: they have no runs. */
  readonly leftOut: readonly LeftOut[];
  readonly trials: readonly CompareRecord[];
  /** Runs of the grid that have no record yet. */
  readonly missing: number;
  /** Runs and trials that this call trained, and those that were there. */
  readonly trained: number;
  readonly found: number;
}

/**
 * Trains the grid of a comparison, one process a run. What records.jsonl has is not repeated; a run that failed is
 * tried again. An abort ends the running processes and throws; the records that are there stay.
 */
export async function compare(options: CompareOptions): Promise<Comparison> {
  const { config, output, reporter } = options;
  const opened = new Map<string, OpenedData>();
  for (const task of config.tasks) opened.set(task.name, await openData(config, task, options));
  refuseIdle(config, '', (key, { name }) => {
    const setting = kindSettings.find((one) => one === key);
    return setting && unreadByTask(setting, opened.get(name)!.data.task);
  });
  const folder = join(output, 'runs');
  await makeFolders(folder).catch((error) => Promise.reject(fileError(error, output, 'make the folder')));
  for (const used of [output, folder]) checkWritable(used);
  const held = await holdFolder(output);
  const { shard } = options;
  // What other shards are writing at this moment looks the same.
  if (shard === undefined) await removeUnfinished(folder);
  const { own: file, all: files } = await recordFiles(output, shard);
  const code = codeVersion();
  const usualBudget = config.budgets.length === 1 ? config.budgets[0] : undefined;
  const records = new RecordStore(
    (await Promise.all(files.map((one) => readRecords(one, reporter.warn)))).flat(),
    options.anyCode === true,
    usualBudget,
  );
  const leftOut = await leftOutOf(config, (task) => opened.get(task)!.data.task, reporter, options.signal);
  for (const { cell, reason } of leftOut) reporter.info(`${nameOf(cell, config)} is left out: ${reason}`);
  const isLeftOut = (cell: Cell) => leftOut.some((one) => isSameCell(one.cell, cell));
  const grid = new Grid(config, (task) => opened.get(task)!.data, code, records, isLeftOut, shard && isCellOf(shard));

  let trained = 0;
  const found = grid.countDone();
  const soFar = (): Comparison => {
    const { runs, trials, missing } = grid.collect();
    const tasks = config.tasks.map(({ name }): ReportedTask => {
      const { data, scored } = opened.get(name)!;
      return { name, task: data.task, ...factsOf(scored) };
    });
    return { config, tasks, runs, leftOut, trials, missing, trained, found };
  };
  const total = grid.size - found;
  if (found > 0) reporter.info(`${found} of ${grid.size} runs and trials are done already.`);
  if (options.reportOnly !== true && total > 0) {
    const phase = reporter.phase('compare', total);
    const running = new Map<Job, RunningWork>();
    const show = () => phase.update(trained, { running: [...running.values()] });
    const threads = Math.max(1, Math.floor(options.threads / options.jobs));
    const stop = new AbortController();
    const signal = options.signal === undefined ? stop.signal : AbortSignal.any([options.signal, stop.signal]);
    const lane = async (place: Place) => {
      for (let job = grid.next(); job !== undefined || grid.isWaiting(); job = grid.next()) {
        signal.throwIfAborted();
        if (job === undefined) {
          await grid.change();
          continue;
        }
        await held.check();
        const current = job;
        const name = labelOf(current, config);
        running.set(current, { name });
        show();
        const output = current.kind === 'run' ? join(folder, runName(current, config)) : undefined;
        const outcome = await place.run(
          { config: placed(current.config, threads, options.dataDir), output },
          {
            signal,
            onProgress: (progress) => {
              running.set(current, { name, ...progress });
              show();
            },
          },
        );
        await held.check();
        const record = recordOf(current, outcome, opened.get(current.cell.task.name)!.data, code);
        await appendRecord(file, record);
        running.delete(current);
        trained++;
        grid.finish(current, record);
        show();
        reporter.info(lineOf(record, nameOf(current.cell, config)));
        if (current.kind === 'run') await options.filled?.(soFar());
        if (place.isGone()) return;
      }
    };
    try {
      await Promise.all(
        (options.places ?? Array.from({ length: options.jobs }, () => here)).map((place) =>
          lane(place).catch((error) => {
            // One lane's end is the end of all: no process may go on without anyone to keep what it finds.
            stop.abort(error);
            grid.wake();
            throw error;
          }),
        ),
      );
    } finally {
      phase.end();
    }
  }
  return soFar();
}

interface OpenedData {
  readonly data: ComparedData;
  /** Examples that every run scores: of the dev split, or held out of the training split. */
  readonly scored: readonly Example[];
}

async function openData(
  config: CompareConfig,
  compared: ComparedTask,
  { dataDir, reporter, signal }: CompareOptions,
): Promise<OpenedData> {
  const run = runConfig(config, config.models[0]!, compared, config.methods[0]!, {
    seed: config.seeds[0]!,
    lr: 1,
    ...heldOut(config),
  });
  const task = await openConfiguredTask({ ...run.data, dataDir }, reporter, signal);
  const data = { task, train: await loadSplit(task, 'train'), dev: await loadSplit(task, 'dev') };
  return { data, scored: usedOf(data.train, data.dev, run).dev.examples };
}

/** A configuration with what belongs to the machine and not to the comparison. */
function placed({ data, run, ...rest }: TrainConfig, threads: number, dataDir: string | undefined): TrainConfig {
  return { ...rest, data: { ...data, ...(dataDir === undefined ? {} : { dataDir }) }, run: { ...run, threads } };
}

function factsOf(examples: readonly Example[]): Pick<ReportedTask, 'examples' | 'labels'> {
  return { examples: examples.length, labels: examples.flatMap(({ label }) => (label === undefined ? [] : [label])) };
}

/** What a process that was killed left behind. */
async function removeUnfinished(folder: string): Promise<void> {
  const unfinished = (await readdir(folder)).filter((name) => /^\..*\.partial-/.test(name));
  await Promise.all(unfinished.map((name) => rm(join(folder, name), { recursive: true, force: true })));
}

function recordOf(
  { kind, cell, seed, lr, drawn, share, key }: Job,
  outcome: WorkerOutcome,
  data: ComparedData,
  code: string,
) {
  const record: CompareRecord = {
    format: 'diffora-compare/1',
    kind,
    key,
    model: cell.model,
    task: cell.task.name,
    method: cell.method.name,
    ...(cell.budget === undefined ? {} : { budget: cell.budget }),
    seed,
    lr,
    ...(Object.keys(drawn).length === 0 ? {} : { settings: drawn }),
    ...(share === undefined ? {} : { share }),
    status: outcome.status,
    ...(outcome.status === 'done' ? outcome.result : { error: outcome.error }),
    code,
    data: { train: splitHash(data.train), dev: splitHash(data.dev) },
  };
  return record;
}

function nameOf({ task, method, budget }: Cell, { budgets }: CompareConfig): string {
  return [task.name, method.name, ...(budget === undefined || budgets.length === 1 ? [] : [budget])].join(', ');
}

function labelOf({ kind, cell, seed, lr, drawn, share }: Job, config: CompareConfig): string {
  const what = kind === 'trial' ? `${triedText(lr, drawn, share)}, seed ${seed}` : `seed ${seed}`;
  return `${nameOf(cell, config)}, ${what}`;
}

function lineOf(
  { kind, seed, lr, settings, share, status, scores, error, seconds, steps }: CompareRecord,
  name: string,
): string {
  const tried = triedText(lr, settings, share);
  const what = kind === 'trial' ? `trial of ${tried}, seed ${seed}` : `seed ${seed}, ${tried}`;
  if (status === 'failed') return `${name}, ${what}: failed: ${error}`;
  const [metric, score] = Object.entries(scores!)[0]!;
  const left = steps?.skipped === undefined ? '' : `, ${steps.skipped} steps left out`;
  return `${name}, ${what}: ${metric} ${score === null ? 'undefined' : score.toFixed(3)} in ${Math.round(seconds?.total ?? 0)} s${left}`;
}

/** `rate 0.001, rank 8, 1/9 of a run` */
function triedText(lr: number, drawn: Drawn = {}, share = 1): string {
  const settings = Object.entries(drawn).map(([key, value]) => `${key} ${value}`);
  const length = share === 1 ? [] : [`1/${Math.round(1 / share)} of a run`];
  return [`rate ${lr}`, ...settings, ...length].join(', ');
}
