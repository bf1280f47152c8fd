import { headPartOf, type LoadedAdapter, openAdapter } from '../artifacts/adapterFolder.js';
import { checkBase } from '../artifacts/checkBase.js';
import { type KnownRows, knownRows } from '../data/knownRows.js';
import type { Split, SplitName } from '../data/types.js';
import { usageError } from '../errors.js';
import { type LoadedModel, loadModel, onDevice } from '../models/loading/loadModel.js';
import { noteNewHead, type OpenedModel, withHead, withOutputBias } from '../models/loading/withHead.js';
import type { Model } from '../models/model.js';
import { headsOf } from '../models/registry.js';
import type { Reporter } from '../reporter.js';
import type { Dam } from '../selection/dam.js';
import { restrictColumns } from '../selection/targets.js';
import { hasMatrix, type TrainConfig } from '../settings/config.js';
import type { Keep } from '../state.js';
import { forHeads } from '../tasks/forHeads.js';
import type { Scorer } from '../tasks/kinds/kind.js';
import {
  countsOf,
  type EncodedSplit,
  encodeUsed,
  headOf,
  holdOutSplit,
  loadSplit,
  outputsOf,
  scorerOf,
  sequenceLength,
  type UsedSplit,
  useSplit,
  warnOfLost,
} from '../tasks/splits.js';
import type { Task } from '../tasks/task.js';
import { openConfiguredTask } from './configuredTask.js';
import type { RunContext } from './runContext.js';
import { damFor, readConfiguredDam } from './selectModules.js';
import { refuseUnreadIn } from './taskSettings.js';
import { warnOfTrained } from './trainedOn.js';

/** A task and a model with both splits: what several runs can share. */
export interface Workspace {
  readonly opened: OpenedModel;
  readonly task: Task;
  readonly train: EncodedSplit;
  readonly dev: UsedSplit;
  /** Scores `dev`, which is encoded at the first call. */
  readonly scorer: () => Promise<Scorer>;
  /** Held-out training examples of which the loss is reported, where it is; encoded at the first call. */
  readonly validation?: (() => Promise<EncodedSplit>) | undefined;
  /** Longest sequence in tokens. */
  readonly maxLength: number;
  /** What an adapter of it is trained on, that of the adapter included which it goes on from. */
  readonly trainedRows: KnownRows;
  /** The adapter that a run goes on from. */
  readonly adapter?: LoadedAdapter | undefined;
  /** The matrix that is given, so that none is to be found. */
  readonly dam?: Dam | undefined;
}

/** Splits of a task that were read already. */
export type GivenSplits = Readonly<Partial<Record<SplitName, Split>>>;

/** Opens the model and the task of a configuration and encodes what is learned from. */
export async function openWorkspace(
  config: TrainConfig,
  reporter: Reporter,
  signal?: AbortSignal,
  splits: GivenSplits = {},
  keep?: Keep,
): Promise<Workspace> {
  const asked = await openConfiguredTask(config.data, reporter, signal);
  const task: Task = { ...asked, load: async (name) => splits[name] ?? asked.load(name) };
  return workspaceOf(task, () => loadModel(config.data.model, { reporter, signal }), config, {
    reporter,
    signal,
    keep,
  });
}

/**
 * A workspace of a task and a model.
 * @param load called once it is known that the data can be used
 * @param dam a matrix in the place of that of the configuration's file
 */
export async function workspaceOf(
  described: Task,
  load: () => Promise<LoadedModel>,
  config: TrainConfig,
  { reporter, signal, keep }: Pick<RunContext, 'reporter' | 'signal'> & { readonly keep?: Keep | undefined },
  dam?: Dam,
): Promise<Workspace> {
  refuseUnreadIn(config, described);
  // Data first: what is wrong with them should not have to wait for a download.
  const [trainSplit, devSplit] = [await loadSplit(described, 'train'), await loadSplit(described, 'dev')];
  const { data, method } = config;
  const adapter =
    method.adapter === undefined ? undefined : await openAdapterFor(method.adapter, described, data.model);
  const { trainOn, chatTemplate, prefix, maxTargetLength } = data;
  const { loss, beta, simpoGamma, desirableWeight, undesirableWeight } = config.optimisation;
  const said = {
    trainOn,
    chatTemplate,
    prefix,
    maxTargetLength,
    loss,
    beta,
    simpoGamma,
    desirableWeight,
    undesirableWeight,
  };
  const asked = { ...described, ...(await described.kind.factsOfRun?.(said, described, adapter?.task)) };
  const head = adapter === undefined ? method.head : headPartOf(adapter);
  const loaded = await onDevice(await load(), config.run.device, { reporter, precision: config.run.precision });
  const task = forHeads(asked, headsOf(loaded.checkpoint));
  const whole = withHead(loaded, headOf(task, head), reporter);
  if (adapter === undefined) noteNewHead(whole.model, reporter);
  else await checkBase(adapter, whole.model, method.anyBase, reporter);
  const { train, dev, validation } = usedOf(trainSplit, devSplit, config);
  const start = task.kind.outputBias?.(train.examples);
  const model = start === undefined ? whole.model : withOutputBias(whole.model, start);
  const opened = { ...whole, model: adapter === undefined ? searchedModel(model, config) : model };
  const given =
    dam === undefined ? await readConfiguredDam(opened.model, config.selection) : damFor(opened.model, dam, 'dam');
  warnOfLost(task, train, reporter);
  const counts = [countsOf(task, 'train', train), countsOf(task, 'dev', dev)];
  if (validation !== undefined && validation !== dev) counts.push(countsOf(task, 'validation', validation));
  reporter.info(`Examples of ${task.name}: ${counts.join('; ')}`);
  const trainedRows = knownRows(train.examples).and(adapter?.trainedRows);
  const maxLength = await sequenceLength(opened, data.maxLength, task, train, { reporter, signal });
  const encoding = { maxLength, stride: data.stride, threads: config.run.threads, keep, signal };
  let scorer: Promise<Scorer> | undefined;
  let encodedValidation: Promise<EncodedSplit> | undefined;
  return {
    opened,
    task,
    train: await encodeUsed(opened, task, train, encoding, reporter),
    dev,
    scorer: () => {
      if (scorer === undefined) {
        warnOfLost(task, dev, reporter);
        warnOfTrained(trainedRows, task.name, dev, reporter);
        scorer = scorerOf(opened, task, dev, encoding, reporter);
      }
      return scorer;
    },
    validation:
      validation &&
      (() => {
        encodedValidation ??= encodeUsed(opened, task, validation, encoding, reporter);
        return encodedValidation;
      }),
    maxLength,
    trainedRows,
    adapter,
    dam: given,
  };
}

/** The model as a run sees it whose matrix is of some modules alone. */
export function searchedModel(model: Model, config: Pick<TrainConfig, 'method' | 'selection'>): Model {
  const isRestricted = hasMatrix(config) && config.selection.select !== 'list';
  return isRestricted ? restrictColumns(model, config.method.targets) : model;
}

/** What is trained on, what is scored (the dev split, or a share that is held out), and what the loss is reported of. */
export function usedOf(
  train: Split,
  dev: Split,
  { data, run }: Pick<TrainConfig, 'data' | 'run'>,
): { train: UsedSplit; dev: UsedSplit; validation?: UsedSplit | undefined } {
  const { maxTrainSamples, maxEvalSamples, validationShare, validationSeed, validationLoss, scoreOn } = data;
  const drawing = { seed: run.seed, maxTrainSamples, maxEvalSamples };
  if (validationShare === undefined) return { train: useSplit(train, drawing), dev: useSplit(dev, drawing) };
  const { train: kept, heldOut } = holdOutSplit(train, { ...drawing, validationShare, validationSeed });
  return {
    train: kept,
    dev: scoreOn === 'dev' ? useSplit(dev, drawing) : heldOut,
    validation: validationLoss === true ? heldOut : undefined,
  };
}

/** @throws DiffoError (usage) when the adapter is for another model or has another number of outputs */
async function openAdapterFor(path: string, task: Task, base: string): Promise<LoadedAdapter> {
  const adapter = await openAdapter(path, { taskType: task.kind.taskType, baseModel: base });
  if (adapter.baseModel !== base.split('@')[0] && adapter.baseModel !== base) {
    throw usageError(`${adapter.folder} is for ${adapter.baseModel}, not for ${base}. Give --model its model.`);
  }
  if (adapter.taskType !== task.kind.taskType) {
    throw usageError(
      `Task ${task.name} is of the kind ${task.kind.name}; ${adapter.folder} is a ${adapter.taskType} adapter.`,
    );
  }
  const [needed, known] = [outputsOf(task), outputsOf(adapter.task)];
  if (known !== needed) {
    throw usageError(`Task ${task.name} needs ${needed} outputs; ${adapter.folder} has ${known}.`);
  }
  return adapter;
}
