import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { parameterRecord, peakMemory, secondsSince, versions } from '../../artifacts/runRecord.js';
import { DiffoError } from '../../errors.js';
import { constantScore } from '../../metrics/constantScore.js';
import type { RunningWork } from '../../progress.js';
import { type Reporter, silent } from '../../reporter.js';
import type { Dam } from '../../selection/dam.js';
import type { TrainConfig } from '../../settings/config.js';
import { outputsOf } from '../../tasks/splits.js';
import { train } from '../train.js';
import { type TrainedRun, trainIn } from '../trainedRun.js';
import { type GivenSplits, openWorkspace, type Workspace } from '../workspace.js';
import type { CompareRecord } from './records.js';

/** What a process is told to do: a run into a folder, or without one a trial of which only the score is kept. */
export interface WorkerJob {
  readonly config: TrainConfig;
  readonly output?: string | undefined;
  /** Rows of the task that were read already, so that no process has to read them again. */
  readonly splits?: GivenSplits | undefined;
}

/** What a run adds to its record. */
export type WorkerResult = Pick<
  CompareRecord,
  | 'scores'
  | 'validation'
  | 'constant'
  | 'parameters'
  | 'ranks'
  | 'steps'
  | 'seconds'
  | 'peakMemoryBytes'
  | 'adapterBytes'
  | 'threads'
  | 'versions'
  | 'dam'
  | 'curve'
  | 'predicted'
  | 'statistics'
>;

export type WorkerMessage =
  | { readonly type: 'progress'; readonly progress: Omit<RunningWork, 'name'> }
  | { readonly type: 'info' | 'warn'; readonly line: string }
  | { readonly type: 'done'; readonly result: WorkerResult }
  | { readonly type: 'failed'; readonly message: string };

/** Points of a learning curve. */
const curvePoints = 60;
const millisecondsBetweenReports = 500;

async function work({ config, output, splits }: WorkerJob, reporter: Reporter): Promise<WorkerResult> {
  if (output !== undefined) {
    const { record, run } = await train({ config, output, overwrite: true, splits, reporter });
    const { parameters, steps, seconds } = record;
    const adapterBytes = await weightBytes(join(output, 'adapter'));
    const made = { parameters, steps, seconds, adapterBytes, curve: curveOf(run) };
    return { ...common(run), ...made, ...outcomesOf(run) };
  }
  const started = performance.now();
  const workspace = await openWorkspace(config, reporter, undefined, splits);
  const run = await trainIn(workspace, config, { reporter });
  const parameters = parameterRecord(workspace.opened.model, run.plan, run.parameters);
  const constant = constantOf(workspace);
  return {
    ...common(run),
    ...(constant === undefined ? {} : { constant }),
    parameters,
    seconds: { ...run.seconds, total: secondsSince(started) },
  };
}

/** What one answer for all of the scored examples would get. */
function constantOf({ task, dev }: Workspace): number | undefined {
  const labels = dev.examples.flatMap(({ label }) => (label === undefined ? [] : [label]));
  const expected = labels.length === dev.examples.length ? labels : undefined;
  return constantScore(task.metrics[0]!, expected, outputsOf(task));
}

function common({ config, scores, validation, dam, plan }: TrainedRun): WorkerResult {
  const ofEach = validation?.examples.map(([sum, weight]): [number, number] => [short(sum), short(weight)]);
  return {
    scores,
    ...(validation === undefined ? {} : { validation: { loss: validation.loss, examples: ofEach! } }),
    threads: config.run.threads,
    ranks: Object.fromEntries(plan.placements.map(({ module, rank }) => [module.path, rank])),
    versions: versions(),
    peakMemoryBytes: peakMemory(),
    ...(dam === undefined ? {} : { dam: recorded(dam) }),
  };
}

function recorded({ modules, gamma, values, rows, there }: Dam): WorkerResult['dam'] {
  return { modules, gamma, values, ...(rows && { rows }), ...(there && { there }) };
}

const short = (value: number) => Number(value.toPrecision(6));

function outcomesOf({ predicted, statistics }: TrainedRun): Pick<WorkerResult, 'predicted' | 'statistics'> {
  if (predicted !== undefined) return { predicted: Array.from(predicted, short) };
  return { statistics: statistics!.map((one) => one.map(short)) };
}

/** Mean training loss of equal stretches of the run, without the steps that were left out. */
function curveOf({ steps }: TrainedRun): [number, number][] {
  const points = Math.min(curvePoints, steps.length);
  return Array.from({ length: points }, (_, i) => {
    const [from, to] = [i, i + 1].map((at) => Math.floor((at * steps.length) / points));
    return { to: to!, losses: steps.slice(from, to).flatMap(({ loss }) => loss ?? []) };
  }).flatMap(({ to, losses }): [number, number][] => {
    if (losses.length === 0) return [];
    return [[to, Number((losses.reduce((sum, one) => sum + one, 0) / losses.length).toPrecision(5))]];
  });
}

async function weightBytes(folder: string): Promise<number> {
  const files = (await readdir(folder)).filter((name) => name.endsWith('.safetensors'));
  const sizes = await Promise.all(files.map(async (name) => (await stat(join(folder, name))).size));
  return sizes.reduce((sum, size) => sum + size, 0);
}

function send(message: WorkerMessage): Promise<void> {
  return new Promise((resolve) => process.send!(message, () => resolve()));
}

function reporterToParent(): Reporter {
  let last = 0;
  return {
    ...silent,
    info: (line) => void send({ type: 'info', line }),
    warn: (line) => void send({ type: 'warn', line }),
    phase: (phase, total) => ({
      update: (done, measures) => {
        if (performance.now() - last < millisecondsBetweenReports) return;
        last = performance.now();
        void send({ type: 'progress', progress: { ...measures, phase, done, total } });
      },
      end: () => {},
    }),
  };
}

// Without the parent nobody would keep what this process finds.
const orphaned = () => process.exit(1);
process.on('disconnect', orphaned);
process.once('message', async (job: WorkerJob) => {
  try {
    await send({ type: 'done', result: await work(job, reporterToParent()) });
  } catch (error) {
    const message = error instanceof DiffoError ? error.message : error instanceof Error ? error.stack : String(error);
    await send({ type: 'failed', message: message ?? 'unknown error' });
  }
  process.off('disconnect', orphaned);
  process.disconnect();
});
