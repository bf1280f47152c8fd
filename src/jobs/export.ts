import { noAdapters } from '../adapters/plan.js';
import { openAdapted } from '../artifacts/openAdapted.js';
import { DiffoError, usageError } from '../errors.js';
import type { ExportedFile, ExportSource } from '../export/format.js';
import { exportFormats } from '../export/formats.js';
import { withOutputFolder } from '../files/atomic.js';
import { openModelByName } from '../models/loading/openedModel.js';
import { type ProgressOptions, silent } from '../reporter.js';

export interface ExportOptions extends ProgressOptions {
  /** A run folder or an adapter folder. */
  readonly adapter?: string | undefined;
  /** A causal model as it is, or the base of `adapter` in another place. */
  readonly model?: string | undefined;
  readonly anyBase?: boolean | undefined;
  /** Name of a format: `gguf`. */
  readonly format: string;
  /** Folder to be made. */
  readonly output: string;
  readonly overwrite?: boolean;
  /** In what numbers weights are written, a file each; default: the format's own choice. */
  readonly dtypes?: readonly string[] | undefined;
  /** The adapter alone, as llama.cpp loads it beside its base. */
  readonly adapterAlone?: boolean | undefined;
}

export interface Exported {
  readonly output: string;
  readonly format: string;
  readonly files: readonly ExportedFile[];
}

/**
 * `diffora export`: a model with its adapter as other programs run it.
 * @throws DiffoError before the work where the format cannot hold it, with what would work
 */
export async function exportModel(options: ExportOptions): Promise<Exported> {
  const { output, overwrite, adapter, adapterAlone = false, reporter, signal } = options;
  const { format, dtypes } = chosen(options);
  if (adapter === undefined && options.model === undefined) throw usageError('Give --adapter or --model.');
  if (adapterAlone && adapter === undefined) throw usageError('--lora goes with --adapter.');
  const source = await openSource(options);
  const request = { dtypes, adapterAlone, reporter, signal };
  const reason = await format.refuse(source, request);
  if (reason !== undefined) throw new DiffoError(reason);
  const existing = overwrite ? 'replace' : 'refuse';
  const files = await withOutputFolder(output, (folder) => format.write(folder, source, request), { existing });
  return { output, format: format.name, files };
}

/** The format and its dtypes, by their names. @throws DiffoError (usage) for a name that is none */
export function chosen({
  format: name,
  dtypes,
  adapterAlone,
}: Pick<ExportOptions, 'format' | 'dtypes' | 'adapterAlone'>) {
  const format = exportFormats.find((one) => one.name === name);
  if (format === undefined) {
    throw usageError(`--format ${name} is none; ${exportFormats.map((one) => one.name).join(', ')} can be written.`);
  }
  if (adapterAlone && format.adapterDtypes === undefined) throw usageError(`--lora does not go with --format ${name}.`);
  const possible = adapterAlone ? format.adapterDtypes! : format.dtypes;
  const asked = dtypes ?? (adapterAlone ? possible.slice(0, 1) : format.usualDtypes);
  const wrong = asked.find((dtype) => !possible.includes(dtype));
  if (wrong !== undefined || asked.length === 0) {
    throw usageError(
      `--dtype ${wrong ?? ''} is none of ${adapterAlone ? 'an adapter in ' : ''}${name}; ${possible.join(', ')} are.`,
    );
  }
  return { format, dtypes: [...new Set(asked)] };
}

async function openSource(options: ExportOptions): Promise<ExportSource> {
  const { adapter, model, anyBase, reporter = silent, signal } = options;
  if (adapter === undefined) {
    const head = { taskType: 'CAUSAL_LM', numLabels: 0, head: 'none' } as const;
    const opened = await openModelByName(model!, head, reporter, signal);
    return { name: model!, opened, plan: noAdapters, values: () => new Float32Array() };
  }
  const { name, opened, plan, parameters } = await openAdapted({ adapter, model, anyBase, reporter, signal });
  const byName = new Map(parameters.map((one) => [one.name, one.values]));
  return { name, opened, plan, values: (tensor) => byName.get(tensor)! };
}
