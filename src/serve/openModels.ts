import { noAdapters } from '../adapters/plan.js';
import { openAdapter } from '../artifacts/adapterFolder.js';
import { baseNameOf, openAdapted } from '../artifacts/openAdapted.js';
import { DiffoError, usageError } from '../errors.js';
import { type LoadedModel, loadModel } from '../models/loading/loadModel.js';
import { withHead } from '../models/loading/openedModel.js';
import type { TaskType } from '../models/model.js';
import { headsOf } from '../models/registry.js';
import type { Reporter } from '../reporter.js';
import { nameOf, type ServedModel, type ServedModelOptions, servedModel } from './servedModel.js';

export interface OpenModelsOptions extends Omit<ServedModelOptions, 'name' | 'folder' | 'learned'> {
  readonly adapters: readonly string[];
  /** The base model of all adapters; served itself, too. Left out, that which the adapters name. */
  readonly model: string | LoadedModel | undefined;
  readonly taskType: TaskType | undefined;
  readonly anyBase: boolean | undefined;
  readonly reporter: Reporter;
  readonly signal: AbortSignal | undefined;
}

/**
 * Opens adapters on their base, which is loaded once, and where it is named the base itself.
 * @throws DiffoError where two have one name, or the adapters name several bases
 */
export async function openModels(options: OpenModelsOptions): Promise<ServedModel[]> {
  const { adapters, model: given, taskType, anyBase, reporter, signal, threads } = options;
  if (adapters.length === 0 && given === undefined)
    throw usageError('Give --adapter or --model: what is to be served.');
  const givenName = typeof given === 'object' ? given.name : given;
  refuseTwice([...adapters, ...(givenName === undefined ? [] : [givenName])]);
  const base = typeof given === 'object' ? given : await loadBase(adapters, given, options);
  const { folder } = base.resolved;
  const served: ServedModel[] = [];
  for (const adapter of adapters) {
    const learned = await openAdapted({ adapter, model: base, taskType, anyBase, threads, reporter, signal });
    served.push(servedModel(learned, { ...options, name: nameOf(adapter), folder, learned }));
  }
  if (givenName !== undefined) {
    const head = { taskType: baseTaskType(base, taskType), numLabels: 2 };
    const opened = withHead(base, head, reporter);
    const adapted = { opened, plan: noAdapters, parameters: [] };
    served.push(servedModel(adapted, { ...options, name: nameOf(givenName), folder, learned: undefined }));
  }
  return served;
}

/** What a base is opened for: to write where it can, else whatever it has, since only its states are read. */
function baseTaskType({ checkpoint }: LoadedModel, asked: TaskType | undefined): TaskType {
  const heads = headsOf(checkpoint);
  return asked ?? (heads.includes('CAUSAL_LM') ? 'CAUSAL_LM' : heads[0]!);
}

async function loadBase(
  adapters: readonly string[],
  given: string | undefined,
  { taskType, reporter, signal }: OpenModelsOptions,
): Promise<LoadedModel> {
  if (given !== undefined) return loadModel(given, { reporter, signal });
  const named = await Promise.all(adapters.map(async (path) => baseNameOf(await openAdapter(path, { taskType }))));
  const other = named.findIndex((name) => name !== named[0]);
  if (other > 0) {
    throw usageError(
      `${adapters[0]} is an adapter of ${named[0]} and ${adapters[other]} one of ${named[other]}; a server has one base. ` +
        'Start one for each, or give the base of all by --model.',
    );
  }
  return loadModel(named[0]!, { reporter, signal }).catch((error) => {
    if (!(error instanceof DiffoError)) throw error;
    const hint = `That is the base model which ${adapters[0]} names; --model gives another place of it.`;
    throw new DiffoError(`${error.message} ${hint}`, { cause: error });
  });
}

function refuseTwice(paths: readonly string[]): void {
  const names = paths.map(nameOf);
  const second = names.findIndex((name, i) => names.indexOf(name) < i);
  if (second < 0) return;
  throw usageError(
    `${paths[names.indexOf(names[second]!)]} and ${paths[second]} would both be called ${names[second]}, which requests tell models by. Rename one.`,
  );
}
