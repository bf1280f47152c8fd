import { join } from 'node:path';
import { unfoldable } from '../adapters/foldedWeights.js';
import { MODEL_CARD_FILE } from '../adapters/peft/index.js';
import type { AdapterOptions, Learned } from '../artifacts/openAdapted.js';
import { DiffoError, quoted, usageError } from '../errors.js';
import { exportCard } from '../export/exportCard.js';
import type { ExportedFile, ExportFormat } from '../export/format.js';
import { type ExportFormatName, exportFormats } from '../export/formats.js';
import { openLearned, openOwn } from '../export/openSource.js';
import type { ExportSource } from '../export/source.js';
import { withOutputFolder, writeFileAtomic } from '../files/atomic.js';
import type { Scores } from '../metrics/scores.js';
import { silent } from '../reporter.js';
import { TASKS } from '../tasks/known/registry.js';
import { openTask } from '../tasks/openTask.js';
import type { Task } from '../tasks/task.js';
import { taskReports } from '../tasks/taskReports.js';
import { scoreTask } from './evaluate.js';

/** What `diffora export` writes, and from what. */
export interface ExportOptions extends Omit<AdapterOptions, 'adapter'> {
  /** An adapter folder or a run folder. */
  readonly adapter?: string | undefined;
  readonly format: ExportFormatName;
  /** Folder to be made. */
  readonly output: string;
  readonly overwrite?: boolean | undefined;
  /** Widths of weights, a file each; default: the usual ones of the format. */
  readonly dtypes?: readonly string[] | undefined;
  /** The adapter alone, to be loaded beside its base: GGUF. */
  readonly adapterAlone?: boolean | undefined;
  /** Adapters: a task to score every file on; default: the one that was learned, where that is a known one. */
  readonly task?: string | undefined;
  readonly dataDir?: string | undefined;
  /** Score so many of the task's dev rows; default: all. */
  readonly maxEvalSamples?: number | undefined;
  /** False: nothing is scored. */
  readonly scores?: boolean | undefined;
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
  const { output, overwrite = false, adapterAlone = false, reporter, signal } = options;
  const { format, dtypes } = chosenFormat(options);
  const { learned, source } = await openSource(options);
  const request = { dtypes, adapterAlone, reporter, signal };
  const reason = refuseUnfoldable(source, adapterAlone) ?? (await format.refuse(source, request));
  if (reason !== undefined) throw new DiffoError(`${source.name} cannot be exported as ${format.name}: ${reason}`);
  const task = learned && !adapterAlone ? await taskToScore(learned, options) : undefined;
  return withOutputFolder(
    output,
    async (folder) => {
      const files = await format.write(source, folder, request);
      const scored = learned && task && (await scoreFiles({ learned, source, task, format, folder, files }, options));
      const notes = adapterAlone ? [] : format.notes(source);
      const said = { format, source, files: scored?.files ?? files, adapterAlone, scoredTask: task?.name, notes };
      await writeFileAtomic(join(folder, MODEL_CARD_FILE), exportCard(said));
      return { output, format: options.format, files, notes, ...scored };
    },
    { existing: overwrite ? 'replace' : 'refuse' },
  );
}

/** The format and its dtypes, by their names. @throws DiffoError (usage) for a name that is none */
export function chosenFormat({
  format: name,
  dtypes: asked,
  adapterAlone = false,
}: Pick<ExportOptions, 'format' | 'dtypes' | 'adapterAlone'>) {
  if (!Object.hasOwn(exportFormats, name)) {
    throw usageError(`--format ${name}: there is no such format; there are: ${Object.keys(exportFormats).join(', ')}.`);
  }
  const format: ExportFormat = exportFormats[name];
  const { adapterDtypes } = format;
  if (adapterAlone && adapterDtypes === undefined) throw usageError(`--lora does not go with --format ${name}.`);
  const known = adapterAlone ? adapterDtypes! : format.dtypes;
  const dtypes = asked ?? (adapterAlone ? known.slice(0, 1) : format.usual);
  const unknown = dtypes.filter((dtype) => !known.includes(dtype));
  if (unknown.length > 0) {
    const what = adapterAlone ? `an adapter in ${name}` : name;
    throw usageError(`--dtype ${unknown.join(',')}: ${what} has no such dtype; it has: ${known.join(', ')}.`);
  }
  if (dtypes.length === 0) throw usageError(`--dtype names nothing. Take some of ${quoted(known)}.`);
  return { format, dtypes: [...new Set(dtypes)] };
}

async function openSource(options: ExportOptions): Promise<{ learned?: Learned; source: ExportSource }> {
  const { adapter, model, task, adapterAlone } = options;
  if (adapter !== undefined) return openLearned({ ...options, adapter });
  if (model === undefined) {
    throw usageError('Name what is to be exported: --adapter with a folder, or --model with a model.');
  }
  if (adapterAlone === true) throw usageError('--lora goes with --adapter.');
  if (task !== undefined) throw usageError('--task scores an adapter; without --adapter there is none.');
  return { source: await openOwn(model, options) };
}

function refuseUnfoldable({ plan, opened }: ExportSource, adapterAlone: boolean): string | undefined {
  const path = adapterAlone ? undefined : unfoldable(plan, opened.model);
  if (path === undefined) return undefined;
  return `its adapter has a bias ("lora_bias") on ${path}, which has none that could take it up. Predict with --adapter.`;
}

async function taskToScore({ task }: Learned, options: ExportOptions): Promise<Task | undefined> {
  const { scores = true, dataDir, reporter = silent, signal } = options;
  const name = options.task ?? task.name;
  if (!scores || (options.task === undefined && !TASKS.has(name))) return undefined;
  return openTask(name, { dataDir, ...taskReports(reporter, signal) });
}

interface Written {
  readonly learned: Learned;
  readonly source: ExportSource;
  readonly task: Task;
  readonly format: ExportFormat;
  readonly folder: string;
  readonly files: readonly ExportedFile[];
}

/** What every file gives on the task's dev rows, and the adapter itself. */
async function scoreFiles(
  { learned, source, task, format, folder, files }: Written,
  { reporter, threads, signal, maxEvalSamples }: ExportOptions,
): Promise<Pick<Exported, 'files' | 'scores' | 'examples'>> {
  const options = { reporter, threads, signal, maxEvalSamples };
  const { scores, examples } = await scoreTask(learned, task, options);
  const scored: ScoredFile[] = [];
  // What is to be said of the rows has been said.
  const silently = { ...options, reporter: { ...(reporter ?? silent), warn: () => {} } };
  for (const file of files) {
    const score = (adapted: Pick<Learned, 'opened' | 'plan' | 'parameters'>) =>
      scoreTask({ ...learned, ...adapted }, task, silently);
    const found = await format.useFile(source, join(folder, file.file), score, { signal });
    scored.push({ ...file, scores: found.scores });
  }
  return { files: scored, scores, examples };
}
