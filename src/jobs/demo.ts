import { readdir, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { withProgressFile } from '../artifacts/progressFile.js';
import { withRunOutput } from '../artifacts/runOutput.js';
import { secondsSince } from '../artifacts/runRecord.js';
import { DiffoError } from '../errors.js';
import type { Scores } from '../metrics/scores.js';
import { loadModel } from '../models/loading/loadModel.js';
import type { Reporter } from '../reporter.js';
import type { Dam } from '../selection/dam.js';
import { readDam } from '../selection/readDam.js';
import { flatConfig, parseTrainConfig, type TrainConfig, type TrainConfigInput } from '../settings/config.js';
import { loadSplit } from '../tasks/splits.js';
import { runInProcess } from './compare/process.js';
import type { WorkerResult } from './compare/worker.js';
import { openConfiguredTask } from './configuredTask.js';
import { usedOf } from './workspace.js';

export interface DemoOptions {
  readonly output: string;
  readonly overwrite?: boolean;
  /** The first of three. */
  readonly seed: number;
  readonly threads: number;
  readonly reporter: Reporter;
  readonly signal?: AbortSignal | undefined;
  /** What all runs have in common, in the place of the usual mails. */
  readonly settings?: TrainConfigInput;
}

/** One method of the demo with one seed. */
export interface DemoRun {
  readonly method: string;
  readonly seed: number;
  /** How many have an adapter. */
  readonly modules: number;
  /** Trained numbers, head included. */
  readonly parameters: number;
  readonly scores: Scores;
  readonly seconds: { readonly search: number; readonly training: number };
  readonly peakMemoryBytes: number;
  readonly adapterBytes: number;
}

export interface DemoResult {
  /** Of each method its seeds, one after another. */
  readonly runs: readonly DemoRun[];
  /** How many each run is trained and scored on. */
  readonly examples: { readonly train: number; readonly dev: number };
  /** Where the first run adapts, which is the one that is kept. */
  readonly dam: Dam;
  readonly seconds: number;
  readonly output: string;
}

/** Little enough for three minutes on two cores, enough to tell nine mails in ten. */
const usualSettings: TrainConfigInput = {
  task: 'spam',
  maxTrainSamples: 200,
  maxEvalSamples: 300,
  maxLength: 48,
  batchSize: 8,
  epochs: 2,
  lr: 2e-3,
  rank: 8,
};
const seeds = 3;

/** With so few steps a search of four would take as long as the training that follows it. */
const methods: Readonly<Record<string, Partial<TrainConfigInput>>> = {
  DiffoRA: { method: 'diffora', keep: 0.33, searchTeam: 1 },
  'LoRA on all': { method: 'lora' },
};

/**
 * `diffora demo`: learns which third of the modules of all-MiniLM-L6-v2 to adapt on a mail corpus, and compares this with
 * LoRA of the same rank on all of them, with three seeds. Each run has a process of its own, so that its memory is
 * measured apart. The first run of DiffoRA is written to `output`.
 */
export async function runDemo(options: DemoOptions): Promise<DemoResult> {
  const { output, overwrite = false, reporter, signal } = options;
  const started = performance.now();
  return withRunOutput(output, { overwrite, checkpoints: false }, ({ finish }) =>
    finish(async (folder) => {
      const jobs = jobsOf(options);
      // Of the whole; in the end that of the first run lies in its place.
      const begun = { command: 'demo', config: { ...flatConfig(jobs[0]!.config) }, isResumed: false };
      return withProgressFile(folder, begun, { reporter, signal }, async (told, isDone) => {
        const result = await runsIn(folder, jobs, told, signal);
        await isDone();
        await keepFirst(folder);
        return { ...result, dam: await readDam(join(folder, 'dam.json')), seconds: secondsSince(started), output };
      });
    }),
  );
}

async function runsIn(
  folder: string,
  jobs: ReturnType<typeof jobsOf>,
  reporter: Reporter,
  signal: AbortSignal | undefined,
): Promise<Pick<DemoResult, 'runs' | 'examples'>> {
  const { data, ...first } = jobs[0]!.config;
  const task = await openConfiguredTask(data, reporter, signal);
  // Read once, and the model fetched once, so that no run takes its time for that.
  const splits = { train: await loadSplit(task, 'train'), dev: await loadSplit(task, 'dev') };
  const used = usedOf(splits.train, splits.dev, { data, ...first });
  const tell = toldOnce(reporter);
  await loadModel(data.model, { reporter: { ...reporter, ...tell }, signal });
  const phase = reporter.phase('demo', jobs.length);
  const runs: DemoRun[] = [];
  for (const [done, { method, config }] of jobs.entries()) {
    const { seed } = config.run;
    const name = `${method}, seed ${seed}`;
    const show = (progress: object = {}) => phase.update(done, { running: [{ name, ...progress }] });
    signal?.throwIfAborted();
    show();
    const job = { config, output: runFolder(folder, done), splits };
    const outcome = await runInProcess(job, { signal, onProgress: show, tell });
    if (outcome.status === 'failed') throw new DiffoError(`${name}: ${outcome.error}`);
    runs.push(runOf(method, seed, outcome.result));
  }
  phase.update(jobs.length);
  phase.end();
  return { runs, examples: { train: used.train.examples.length, dev: used.dev.examples.length } };
}

function jobsOf({ seed, threads, settings = usualSettings }: DemoOptions): { method: string; config: TrainConfig }[] {
  return Object.entries(methods).flatMap(([method, own]) =>
    Array.from({ length: seeds }, (_, i) => ({
      method,
      config: parseTrainConfig({ ...settings, ...own, seed: seed + i, threads }, 'demo'),
    })),
  );
}

function runOf(method: string, seed: number, result: WorkerResult): DemoRun {
  const { scores, ranks, parameters, seconds, peakMemoryBytes, adapterBytes } = result;
  return {
    method,
    seed,
    modules: Object.keys(ranks!).length,
    parameters: parameters!.trainable,
    scores: scores as Scores,
    seconds: { search: seconds!.select!, training: seconds!.train! },
    peakMemoryBytes: peakMemoryBytes!,
    adapterBytes: adapterBytes!,
  };
}

/** Runs say much that is the same. */
function toldOnce({ info, warn }: Reporter): Pick<Reporter, 'info' | 'warn'> {
  const told = new Set<string>();
  const unlessTold = (tell: (line: string) => void) => (line: string) => {
    if (!told.has(line)) tell(line);
    told.add(line);
  };
  return { info: unlessTold(info), warn: unlessTold(warn) };
}

const runsFolder = (folder: string) => join(folder, 'runs');
const runFolder = (folder: string, job: number) => join(runsFolder(folder), String(job));

/** Leaves the first run of a folder of runs in its place. */
async function keepFirst(folder: string): Promise<void> {
  const first = runFolder(folder, 0);
  for (const name of await readdir(first)) await rename(join(first, name), join(folder, name));
  await rm(runsFolder(folder), { recursive: true });
}
