import { existsSync } from 'node:fs';
import type { KnownRows } from '../data/knownRows.js';
import { DiffoError } from '../errors.js';
import { type LoadedModel, loadModel, onDevice } from '../models/loading/loadModel.js';
import { withHead } from '../models/loading/withHead.js';
import type { TaskType } from '../models/model.js';
import { type ProgressOptions, silent } from '../reporter.js';
import type { Adapted } from '../tasks/kinds/kind.js';
import { headOf } from '../tasks/splits.js';
import { isUnknown } from '../tasks/task.js';
import {
  headPartOf,
  type LoadedAdapter,
  openAdapter,
  placeAdapter,
  refuseNotFinite,
  taskOfHead,
} from './adapterFolder.js';
import { checkBase } from './checkBase.js';
import type { TaskFile } from './taskFile.js';

export interface AdapterOptions extends ProgressOptions {
  /** An adapter folder or a run folder. */
  readonly adapter: string;
  /** The base model, when it is loaded already or is not the one that the adapter names. */
  readonly model?: string | LoadedModel | undefined;
  /** What the outputs of the model are, where adapter_config.json does not say it. */
  readonly taskType?: TaskType | undefined;
  /** Take a base that is not the one that the adapter was trained on, with a warning. */
  readonly anyBase?: boolean | undefined;
  /** Default: all that the machine has. */
  readonly threads?: number | undefined;
  /** As {@link loadModel} takes it; default: that of the model, where that is loaded already. */
  readonly device?: string | undefined;
}

/** An adapter on its model, and what it was trained for. */
export interface Learned extends Adapted {
  /** Folder of the adapter, or what else it is called in messages. */
  readonly name: string;
  readonly task: TaskFile;
  /** What it was trained on, where that is known. */
  readonly trainedRows?: KnownRows | undefined;
}

/** The base model that an adapter names, as {@link loadModel} takes it. */
export function baseNameOf({ baseModel, revision }: Pick<LoadedAdapter, 'baseModel' | 'revision'>): string {
  return revision === undefined || existsSync(baseModel) ? baseModel : `${baseModel}@${revision}`;
}

/** Opens an adapter on its base model, ready to predict. */
export async function openAdapted(options: AdapterOptions): Promise<Learned & { readonly loaded: LoadedAdapter }> {
  const {
    adapter: path,
    model: given,
    taskType: askedType,
    anyBase = false,
    device,
    reporter = silent,
    signal,
  } = options;
  const givenName = typeof given === 'object' ? given.name : given;
  const loaded: LoadedAdapter = await openAdapter(path, { baseModel: givenName, taskType: askedType });
  const { taskType } = loaded;
  const head = { ...headOf(loaded.task, headPartOf(loaded)), taskType };
  const open = async () =>
    withHead(
      typeof given === 'object'
        ? await onDevice(given, device, { reporter })
        : await loadModel(given ?? baseNameOf(loaded), { device, reporter, signal }),
      head,
      reporter,
    );
  const opened = await open().catch((error) => {
    if (given !== undefined || !(error instanceof DiffoError)) throw error;
    const hint = `That is the base model which ${loaded.folder} names; --model gives another place of it.`;
    throw new DiffoError(`${error.message} ${hint}`, { cause: error });
  });
  const placed = placeAdapter(loaded, opened.model);
  refuseNotFinite(loaded.folder, placed.parameters);
  await checkBase(loaded, opened.model, anyBase, reporter);
  const task = isUnknown(loaded.task)
    ? taskOfHead(loaded.folder, taskType, loaded.head, opened.model.checkpoint)
    : loaded.task;
  const { folder: name, trainedRows } = loaded;
  return { loaded: { ...loaded, task }, name, task, trainedRows, opened, ...placed };
}
