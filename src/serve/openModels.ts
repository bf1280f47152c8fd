import { noAdapters } from '../adapters/plan.js';
import { openAdapter } from '../artifacts/adapterFolder.js';
import { baseNameOf, type Learned, openAdapted } from '../artifacts/openAdapted.js';
import { DiffoError, usageError } from '../errors.js';
import { plainTask } from '../jobs/predictInput.js';
import { ownHeadLength, ownHeadOptions } from '../jobs/predictModel.js';
import { type LoadedModel, loadModel, onDevice } from '../models/loading/loadModel.js';
import { withHead } from '../models/loading/withHead.js';
import type { TaskType } from '../models/model.js';
import { headsOf } from '../models/registry.js';
import type { Reporter } from '../reporter.js';
import { labelNames } from '../tasks/kinds/savedLabels.js';
import { ownHeadIn } from '../tasks/ownHeads.js';
import { learnedLength } from '../tasks/splits.js';
import { encodedOnce } from './encodedOnce.js';
import { type AnswerSource, nameOf, type ServedModel, type ServedModelOptions, servedModel } from './servedModel.js';

export interface OpenModelsOptions extends Omit<ServedModelOptions, 'name' | 'folder' | 'answers' | 'talk'> {
  readonly adapters: readonly string[];
  /** The base model of all adapters; served itself, too. Left out, that which the adapters name. */
  readonly model: string | LoadedModel | undefined;
  readonly taskType: TaskType | undefined;
  readonly anyBase: boolean | undefined;
  readonly device: string | undefined;
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
  const { device } = options;
  const loaded =
    typeof given === 'object' ? await onDevice(given, device, { reporter }) : await loadBase(adapters, given, options);
  const base: LoadedModel = { ...loaded, tokenizer: encodedOnce(loaded.tokenizer) };
  const { folder } = base.resolved;
  const served: ServedModel[] = [];
  for (const adapter of adapters) {
    const learned = await openAdapted({ adapter, model: base, taskType, anyBase, threads, reporter, signal });
    served.push(
      servedModel(learned, {
        ...options,
        name: nameOf(adapter),
        folder,
        answers: answersOf(learned, threads),
        talk: learned.task.chat,
      }),
    );
  }
  if (givenName !== undefined) {
    const { answers, ...adapted } = openBase(base, options);
    served.push(servedModel(adapted, { ...options, name: nameOf(givenName), folder, answers, talk: undefined }));
  }
  return served;
}

/** What an adapter answers. @throws DiffoError where the model allows less than it was trained with */
function answersOf(learned: Learned, threads: number): AnswerSource {
  const { opened, task, name } = learned;
  return {
    task,
    maxLength: learnedLength(opened, undefined, task, name),
    async open() {
      const answerer = await task.kind.answerer(learned, { threads });
      return { ...answerer, answer: (examples, options) => answerer.answer(task, examples, options) };
    },
  };
}

/**
 * A base as it is: with the head that it was saved with, as `diffora predict` runs it, else to write where it can, else with
 * whatever it has, since only its states are read.
 */
function openBase(base: LoadedModel, { taskType, threads, reporter }: OpenModelsOptions) {
  const { checkpoint } = base;
  const own = taskType === undefined ? ownHeadIn(checkpoint) : undefined;
  const heads = headsOf(checkpoint);
  const head =
    own === undefined
      ? { taskType: taskType ?? (heads.includes('CAUSAL_LM') ? 'CAUSAL_LM' : heads[0]!), numLabels: 2 }
      : ownHeadOptions(checkpoint);
  const opened = withHead(base, head, reporter);
  const labels = own === undefined ? [] : labelNames(checkpoint);
  const answers: AnswerSource | undefined = own && {
    task: { ...plainTask(own.kind), name: nameOf(base.name), labels },
    maxLength: ownHeadLength(opened),
    open: () => own.head.open(opened, { labels, threads }),
  };
  return { opened, plan: noAdapters, parameters: [], answers };
}

async function loadBase(
  adapters: readonly string[],
  given: string | undefined,
  { taskType, device, reporter, signal }: OpenModelsOptions,
): Promise<LoadedModel> {
  if (given !== undefined) return loadModel(given, { device, reporter, signal });
  const named = await Promise.all(adapters.map(async (path) => baseNameOf(await openAdapter(path, { taskType }))));
  const other = named.findIndex((name) => name !== named[0]);
  if (other > 0) {
    throw usageError(
      `${adapters[0]} is an adapter of ${named[0]} and ${adapters[other]} one of ${named[other]}; a server has one base. ` +
        'Start one for each, or give the base of all by --model.',
    );
  }
  return loadModel(named[0]!, { device, reporter, signal }).catch((error) => {
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
