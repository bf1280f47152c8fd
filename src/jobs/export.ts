import { join } from 'node:path';
import { noAdapters } from '../adapters/plan.js';
import { mergedKey } from '../artifacts/adapterFolder.js';
import { headedConfig } from '../artifacts/headedConfig.js';
import { type AdapterOptions, openAdapted } from '../artifacts/openAdapted.js';
import { DiffoError, quoted, usageError } from '../errors.js';
import type { ExportedFile, ExportFormat } from '../export/format.js';
import { type ExportFormatName, exportFormats } from '../export/formats.js';
import type { ExportSource } from '../export/source.js';
import { withOutputFolder } from '../files/atomic.js';
import type { Scores } from '../metrics/scores.js';
import { loadModel } from '../models/loading/loadModel.js';
import { withHead } from '../models/loading/openedModel.js';
import type { ModelOptions } from '../models/model.js';
import { type ProgressOptions, silent } from '../reporter.js';
import { usualThreads } from '../settings/config.js';
import { labelNames } from '../tasks/kinds/savedLabels.js';
import { TASKS } from '../tasks/known/registry.js';
import { openTask } from '../tasks/openTask.js';
import { ownHeadIn } from '../tasks/ownHeads.js';
import { taskReports } from '../tasks/taskReports.js';
import { scoreTask } from './evaluate.js';

/** What `diffora export` writes, and from what. */
export interface ExportOptions extends ProgressOptions {
  /** An adapter folder or a run folder. */
  readonly adapter?: string | undefined;
  /** A model; with `adapter`: its base, where it is not the one that the adapter names. */
  readonly model?: AdapterOptions['model'];
  readonly anyBase?: boolean | undefined;
  readonly format: ExportFormatName;
  readonly output: string;
  readonly overwrite?: boolean | undefined;
  /** Widths of weights; default: the usual ones of the format. */
  readonly dtypes?: readonly string[] | undefined;
  /** Adapters: a task to score every file on; default: the one that was learned, where that is a known one. */
  readonly task?: string | undefined;
  readonly dataDir?: string | undefined;
  /** Score so many of the task's dev rows; default: all. */
  readonly maxEvalSamples?: number | undefined;
  /** False: nothing is scored. */
  readonly scores?: boolean | undefined;
  readonly threads?: number | undefined;
}

/** A written file, with its scores on the task's dev rows where they were taken. */
export interface ScoredFile extends ExportedFile {
  readonly scores?: Scores | undefined;
}

/** What was written. */
export interface Exported {
  readonly output: string;
  readonly format: ExportFormatName;
  readonly files: readonly ScoredFile[];
  /** The adapter's own scores on the same rows. */
  readonly scores?: Scores | undefined;
  /** Rows that were scored. */
  readonly examples?: number | undefined;
  /** What a person should know of how clients read the files. */
  readonly notes: readonly string[];
}

/**
 * `diffora export`: a model, its adapter folded in, as other programs run it. What cannot be exported is refused before
 * the work, and the folder is there when it is complete.
 * @throws DiffoError (usage) for a format or a dtype that there is not; DiffoError for a model that the format has no place for
 */
export async function exportModel(options: ExportOptions): Promise<Exported> {
  const { output, overwrite = false, reporter = silent, signal } = options;
  const format = formatOf(options.format);
  const dtypes = dtypesOf(format, options.dtypes);
  const learned = options.adapter === undefined ? undefined : await openLearned(options, options.adapter);
  const source = learned === undefined ? await modelSource(options) : adapterSource(learned);
  const reason = format.refuse(source);
  if (reason !== undefined) throw new DiffoError(`${source.name}: ${reason}`);
  const task = learned && (await taskToScore(learned, options));
  const existing = overwrite ? 'replace' : 'refuse';
  return withOutputFolder(
    output,
    async (folder) => {
      const phase = reporter.phase('export', dtypes.length);
      const onFile = (done: number) => phase.update(done, {});
      const files = await format.write(source, folder, { dtypes, signal, onFile });
      phase.end();
      const scored = learned && task && (await scoreFiles(learned, task, files, { ...options, format, folder }));
      const notes = format.notes(source);
      return { output, format: options.format, files, notes, ...scored };
    },
    { existing },
  );
}

function formatOf(name: string): ExportFormat {
  if (Object.hasOwn(exportFormats, name)) return exportFormats[name as ExportFormatName];
  throw usageError(`--format ${name}: there is no such format; there are: ${Object.keys(exportFormats).join(', ')}.`);
}

function dtypesOf({ name, dtypes, usual }: ExportFormat, asked: readonly string[] = usual): readonly string[] {
  const unknown = asked.filter((dtype) => !dtypes.includes(dtype));
  if (unknown.length > 0) {
    throw usageError(`--dtype ${unknown.join(',')}: ${name} has no such dtype; it has: ${dtypes.join(', ')}.`);
  }
  if (asked.length === 0) throw usageError(`--dtype names nothing. Take some of ${quoted(dtypes)}.`);
  return [...new Set(asked)];
}

type Opened = Awaited<ReturnType<typeof openAdapted>>;

async function openLearned(options: ExportOptions, adapter: string): Promise<Opened> {
  const opened = await openAdapted({ ...options, adapter });
  const { checkpoint } = opened.opened.model;
  if (checkpoint.metadata[mergedKey] === undefined) return opened;
  throw new DiffoError(
    `${checkpoint.name} already has an adapter folded in. Export it alone with --model, or the adapter on its plain base model ${opened.loaded.baseModel}.`,
  );
}

function adapterSource({ name, opened, plan, parameters, task }: Opened): ExportSource {
  return { name, opened, plan, parameters, task, outputs: 'logits', config: headedConfig(opened.model, task) };
}

/** A checkpoint with the head that it was saved with; an encoder without one gives its hidden states. */
async function modelSource({ model, task, reporter = silent, signal }: ExportOptions): Promise<ExportSource> {
  if (model === undefined) throw usageError('Name what is to be exported, with --adapter or --model.');
  if (task !== undefined) throw usageError('--task scores an adapter; without --adapter there is none.');
  const loaded = typeof model === 'object' ? model : await loadModel(model, { reporter, signal });
  const { checkpoint } = loaded;
  const head = ownHeadIn(checkpoint)?.head;
  const options: ModelOptions =
    head === undefined
      ? { taskType: 'TOKEN_CLS', numLabels: 1 }
      : { taskType: head.taskType, numLabels: labelNames(checkpoint).length, head: 'none' };
  const opened = withHead(loaded, options, reporter);
  const { _name_or_path: _, ...config } = checkpoint.config;
  const outputs = head === undefined ? 'states' : 'logits';
  const { states, architecture } = opened.model;
  if (head === undefined)
    reporter.info(`${loaded.name} has no head that diffora runs: its hidden states are exported.`);
  return {
    name: loaded.name,
    opened,
    plan: noAdapters,
    parameters: [],
    outputs,
    config: { ...config, architectures: [head === undefined ? (states?.architecture ?? architecture) : architecture] },
  };
}

async function taskToScore({ task }: Opened, options: ExportOptions) {
  const { scores = true, dataDir, reporter = silent, signal } = options;
  const name = options.task ?? task.name;
  if (!scores || (options.task === undefined && !TASKS.has(name))) return undefined;
  return openTask(name, { dataDir, ...taskReports(reporter, signal) });
}

async function scoreFiles(
  learned: Opened,
  task: Awaited<ReturnType<typeof openTask>>,
  files: readonly ExportedFile[],
  {
    format,
    folder,
    reporter = silent,
    threads = usualThreads,
    ...options
  }: Omit<ExportOptions, 'format'> & { format: ExportFormat; folder: string },
): Promise<Pick<Exported, 'files' | 'scores' | 'examples'>> {
  const { opened } = learned;
  const scoring = { reporter, threads, signal: options.signal, maxEvalSamples: options.maxEvalSamples };
  const places = files.map(({ file }) => format.withFile?.(opened.model, join(folder, file)));
  if (places.some((model) => model === undefined)) return { files };
  const { scores, examples } = await scoreTask(learned, task, scoring);
  const scored: ScoredFile[] = [];
  for (const [i, file] of files.entries()) {
    const model = places[i]!;
    const result = await scoreTask({ ...learned, opened: { ...opened, model } }, task, scoring);
    scored.push({ ...file, scores: result.scores });
  }
  return { files: scored, scores, examples };
}
