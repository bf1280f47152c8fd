import { join } from 'node:path';
import type { AdapterPlan } from '../adapters/plan.js';
import { computeMetrics } from '../data/metrics.js';
import type { MetricName, Task } from '../data/types.js';
import { DiffoError } from '../errors.js';
import { withOutputFolder, writeFileAtomic } from '../files/atomic.js';
import type { Parameter } from '../optimize/parameters.js';
import type { Dam } from '../selection/dam.js';
import { restrictColumns } from '../selection/targets.js';
import { saveAdapter } from './adapterFolder.js';
import type { TrainConfig } from './config.js';
import {
  type EncodedSplit,
  encodeTaskSplit,
  type OpenedModel,
  openConfiguredTask,
  openModelByName,
  outputsOf,
} from './context.js';
import { fineTune, type TrainStep, trainingSteps } from './fineTune.js';
import { planRun, startingParameters } from './plan.js';
import { predictLogits } from './predictLogits.js';
import type { Reporter } from './reporter.js';
import { parameterRecord, peakMemory, secondsSince, splitRecord, versions } from './runRecord.js';
import { readDamFor, type Selection, selectModules } from './select.js';

export type Scores = Partial<Record<MetricName, number>>;

/** A task and a model with both splits as tokens: what several runs can share. */
export interface Workspace {
  readonly opened: OpenedModel;
  readonly task: Task;
  readonly train: EncodedSplit;
  readonly dev: EncodedSplit;
}

/** What a training run leaves in memory. */
export interface TrainedRun {
  readonly plan: AdapterPlan;
  readonly parameters: readonly Parameter[];
  readonly dam: Dam | undefined;
  readonly steps: readonly TrainStep[];
  readonly scores: Scores;
  readonly seconds: { readonly select: number; readonly train: number; readonly evaluate: number };
}

/** run.json: how a run came about and what it gave (docs/formats.md). */
export interface RunRecord {
  readonly format: 'diffora-run/1';
  readonly command: 'train' | 'select' | 'demo';
  readonly config: TrainConfig;
  readonly versions: Readonly<Record<string, string>>;
  readonly task: string;
  readonly model: {
    readonly name: string;
    readonly source: string;
    readonly folder: string;
    readonly revision?: string;
    readonly family: string;
  };
  readonly data: Readonly<Record<string, ReturnType<typeof splitRecord>>>;
  readonly parameters?: ReturnType<typeof parameterRecord>;
  readonly scores?: { readonly dev: Scores };
  readonly steps: { readonly search: number; readonly train: number };
  readonly seconds: Readonly<Record<string, number>>;
  readonly peakMemoryBytes: number;
}

export interface RunOptions {
  readonly config: TrainConfig;
  /** Folder to be made. */
  readonly output: string;
  /** Replace a folder that is there, once the new one is complete. */
  readonly overwrite?: boolean;
  readonly reporter: Reporter;
  readonly signal?: AbortSignal | undefined;
}

/** Opens the model and the task of a configuration and encodes the splits. */
export async function openWorkspace(config: TrainConfig, reporter: Reporter, signal?: AbortSignal): Promise<Workspace> {
  const task = await openConfiguredTask(config, reporter);
  const any = await openModelByName(config.model, outputsOf(task), reporter, signal);
  const opened = config.method === 'diffora' ? { ...any, model: restrictColumns(any.model, config.targets) } : any;
  const train = await encodeTaskSplit(opened, task, 'train', config, reporter);
  const dev = await encodeTaskSplit(opened, task, 'dev', config, reporter);
  return { opened, task, train, dev };
}

/** Selects (DiffoRA), fine-tunes and scores on the dev split. Nothing is written. */
export async function trainIn(
  workspace: Workspace,
  config: TrainConfig,
  reporter: Reporter,
  signal?: AbortSignal,
): Promise<TrainedRun> {
  const { opened, task, train, dev } = workspace;
  const { model } = opened;
  const started = performance.now();
  let selection: Selection | undefined;
  if (config.method === 'diffora') {
    selection =
      config.dam === undefined
        ? await selectModules(model, task, train.encoded, config, reporter, signal)
        : { dam: await readDamFor(model, config.dam), searched: [] };
  }
  const select = secondsSince(started);

  const plan = planRun(model, config, selection);
  const parameters = await startingParameters(model, plan, config, selection);
  const steps: TrainStep[] = [];
  const trainingStarted = performance.now();
  const totalSteps = trainingSteps(config, Math.ceil(train.encoded.length / config.batchSize));
  const phase = reporter.phase('train', totalSteps);
  await fineTune(model, plan, parameters, train.encoded, {
    kind: task.kind,
    config,
    signal,
    onStep: (step) => {
      steps.push(step);
      phase.update(step.step + 1, `loss ${step.loss.toFixed(3)}`);
    },
  });
  phase.end();
  const trainSeconds = secondsSince(trainingStarted);

  const evaluationStarted = performance.now();
  const scores = await scoreSplit({ ...workspace, plan, parameters }, dev, config.threads, reporter, signal);
  const seconds = { select, train: trainSeconds, evaluate: secondsSince(evaluationStarted) };
  return { plan, parameters, dam: selection?.dam, steps, scores, seconds };
}

/** Metrics of a split under the parameters of a plan. */
export async function scoreSplit(
  of: {
    opened: OpenedModel;
    task: Pick<Task, 'kind' | 'labels' | 'metrics'>;
    plan: AdapterPlan;
    parameters: readonly Parameter[];
  },
  { split, encoded }: EncodedSplit,
  threads: number,
  reporter: Reporter,
  signal?: AbortSignal,
): Promise<Scores> {
  const labels = encoded.map(({ label, index }) => {
    if (label === undefined)
      throw new DiffoError(`${split.source}: row ${split.examples[index]?.id} has no label to score by.`);
    return label;
  });
  const phase = reporter.phase('evaluate', encoded.length);
  const onBatch = (done: number) => phase.update(done);
  const logits = await predictLogits(of.opened.model, of.plan, of.parameters, encoded, { threads, signal, onBatch });
  phase.end();
  return computeMetrics(of.task, logits, labels);
}

/** `diffora train`: a run folder with adapter/, dam.json, metrics.jsonl and run.json, whole or not at all. */
export async function train({ config, output, overwrite, reporter, signal }: RunOptions): Promise<RunRecord> {
  const started = performance.now();
  return withOutputFolder(
    output,
    async (folder) => {
      const workspace = await openWorkspace(config, reporter, signal);
      const run = await trainIn(workspace, config, reporter, signal);
      const seconds = { ...run.seconds, total: secondsSince(started) };
      return writeRun(folder, { workspace, run, config, command: 'train', seconds });
    },
    { existing: overwrite ? 'replace' : 'refuse' },
  );
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
        steps: { search: dam.search.steps, train: 0 },
        seconds: { total: secondsSince(started) },
        peakMemoryBytes: peakMemory(),
      };
      await writeFileAtomic(join(folder, 'dam.json'), damText(dam));
      await writeFileAtomic(join(folder, 'run.json'), `${JSON.stringify(record, null, 2)}\n`);
      return { record, dam };
    },
    { existing: overwrite ? 'replace' : 'refuse' },
  );
}

/** Writes a finished run into a folder that is being built. */
export async function writeRun(
  folder: string,
  of: {
    workspace: Workspace;
    run: TrainedRun;
    config: TrainConfig;
    command: RunRecord['command'];
    seconds: Readonly<Record<string, number>>;
  },
): Promise<RunRecord> {
  const { workspace, run, config, command, seconds } = of;
  const { opened, task } = workspace;
  const parameters = parameterRecord(opened.model, run.plan, run.parameters);
  const record: RunRecord = {
    ...commonRecord(workspace, config, command),
    parameters,
    scores: { dev: run.scores },
    steps: { search: run.dam?.search.steps ?? 0, train: run.steps.length },
    seconds,
    peakMemoryBytes: peakMemory(),
  };
  await saveAdapter(join(folder, 'adapter'), opened.model, run.plan, run.parameters, {
    task,
    tokenizer: opened.tokenizer,
    maxLength: config.maxLength,
    baseModel: config.model,
    revision: opened.resolved.revision,
    paragraphs: [
      `Method \`${config.method}\` on \`${task.name}\`: ${run.plan.placements.length} of ${opened.model.adaptable.length} modules adapted, rank ${run.plan.rank}, alpha ${run.plan.alpha}, ${run.steps.length} steps of batch size ${config.batchSize}, seed ${config.seed}.`,
    ],
    scores: Object.fromEntries(Object.entries(run.scores).map(([name, score]) => [`${name} (dev)`, score])),
  });
  if (run.dam !== undefined) await writeFileAtomic(join(folder, 'dam.json'), damText(run.dam));
  const searchLines = run.dam?.search.history.map((step) => ({ phase: 'search', ...step })) ?? [];
  const lines = [...searchLines, ...run.steps.map((step) => ({ phase: 'train', ...step }))];
  await writeFileAtomic(join(folder, 'metrics.jsonl'), lines.map((line) => `${JSON.stringify(line)}\n`).join(''));
  await writeFileAtomic(join(folder, 'run.json'), `${JSON.stringify(record, null, 2)}\n`);
  return record;
}

function commonRecord({ opened, task, train, dev }: Workspace, config: TrainConfig, command: RunRecord['command']) {
  const { resolved, model } = opened;
  return {
    format: 'diffora-run/1' as const,
    command,
    config,
    versions: versions(),
    model: {
      name: config.model,
      source: resolved.source,
      folder: resolved.folder,
      ...(resolved.revision === undefined ? {} : { revision: resolved.revision }),
      family: model.family,
    },
    task: task.name,
    data: { train: splitRecord(train.split, train.encoded.length), dev: splitRecord(dev.split, dev.encoded.length) },
  };
}

/** dam.json with a row of a matrix on a line, so that people can read it. */
function damText(dam: Dam): string {
  return `${JSON.stringify(dam, null, 2).replace(/\[\s+(-?[\d.e+-]+(?:,\s+-?[\d.e+-]+)*)\s+\]/g, (_, row: string) => `[${row.replace(/\s+/g, ' ')}]`)}\n`;
}
