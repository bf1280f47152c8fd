import type { AdapterPlan } from '../adapters/plan.js';
import type { Model } from '../models/model.js';
import type { Parameter } from '../optimize/parameters.js';
import type { TrainStep } from '../optimize/training.js';
import type { Dam } from '../selection/dam.js';
import { placeAdapter } from './adapterFolder.js';
import { hasMatrix, type TrainConfig } from './config.js';
import { fineTune, trainingSteps } from './fineTune.js';
import type { Adapted, AnswerOptions, Scored, Scores, TaskAsked } from './kinds/kind.js';
import { kinds } from './kinds/registry.js';
import type { RunLog } from './log/log.js';
import { lossOptionsOf } from './lossOptions.js';
import { planRun, startingParameters } from './plan.js';
import type { Reporter } from './reporter.js';
import { secondsSince } from './runRecord.js';
import { readDamFor, type Selection, selectModules } from './select.js';
import type { UsedSplit } from './splits.js';
import type { Workspace } from './workspace.js';

/** What a training run leaves in memory. */
export interface TrainedRun extends Omit<Scored, 'note'> {
  readonly plan: AdapterPlan;
  readonly parameters: readonly Parameter[];
  readonly dam: Dam | undefined;
  readonly steps: readonly TrainStep[];
  /** Of the dev split, as are `predicted` and `statistics`. */
  readonly scores: Scores;
  readonly seconds: { readonly select: number; readonly train: number; readonly evaluate: number };
}

/** Selects (DiffoRA), fine-tunes and scores on the dev split. Nothing is written. */
export async function trainIn(
  workspace: Workspace,
  config: TrainConfig,
  reporter: Reporter,
  signal?: AbortSignal,
  log?: RunLog,
): Promise<TrainedRun> {
  const { opened, task, train, dev } = workspace;
  const { model } = opened;
  const loss = lossOptionsOf(config, task, train.encoded);
  const started = performance.now();
  let selection: Selection | undefined;
  if (config.dam !== undefined) {
    selection = { dam: await readDamFor(model, config.dam), trained: [] };
  } else if (workspace.adapter === undefined && hasMatrix(config)) {
    // What cannot be planned is to be known before a search, not after it.
    planRun(model, { ...config, parameters: undefined }, undefined);
    selection = await selectModules(model, task, train.encoded, config, reporter, signal);
  }
  for (const { step, trainLoss, validationLoss, entropy } of selection?.dam.search?.history ?? []) {
    log?.scalars(
      { 'search/train_loss': trainLoss, 'search/validation_loss': validationLoss, 'search/entropy': entropy },
      step,
    );
  }
  const select = secondsSince(started);

  const { plan, parameters } = workspace.adapter
    ? placeAdapter(workspace.adapter, model)
    : await startingPlan(model, config, selection);
  const steps: TrainStep[] = [];
  const trainingStarted = performance.now();
  const totalSteps = trainingSteps(config, Math.ceil(train.encoded.length / config.batchSize));
  const phase = reporter.phase('train', totalSteps);
  await fineTune(model, plan, parameters, train.encoded, {
    kind: task.kind,
    loss,
    config,
    signal,
    onStep: (step) => {
      steps.push(step);
      phase.update(step.step + 1, `loss ${step.loss.toFixed(3)}`);
      const { loss: value, learningRate, gradientNorm } = step;
      log?.scalars(
        { 'train/loss': value, 'train/learning_rate': learningRate, 'train/gradient_norm': gradientNorm },
        step.step + 1,
      );
    },
  });
  phase.end();
  const trainSeconds = secondsSince(trainingStarted);

  const evaluationStarted = performance.now();
  const { threads, stride, nullScoreDiffThreshold } = config;
  const scored = await scoreSplit(
    { opened, plan, parameters },
    task,
    dev,
    { maxLength: workspace.maxLength, threads, stride, nullScoreDiffThreshold, signal },
    reporter,
  );
  const { scores } = scored;
  log?.scalars(Object.fromEntries(Object.entries(scores).map(([name, score]) => [`dev/${name}`, score])), totalSteps);
  const seconds = { select, train: trainSeconds, evaluate: secondsSince(evaluationStarted) };
  return { plan, parameters, dam: selection?.dam, steps, ...scored, seconds };
}

async function startingPlan(model: Model, config: TrainConfig, selection: Selection | undefined) {
  const plan = planRun(model, config, selection);
  return { plan, parameters: await startingParameters(model, plan, config, selection) };
}

/** Metrics of a split under the parameters of a plan. */
export async function scoreSplit(
  adapted: Adapted,
  task: TaskAsked,
  { split, examples }: UsedSplit,
  options: Omit<AnswerOptions, 'warn' | 'onDone'>,
  reporter: Reporter,
): Promise<Omit<Scored, 'note'>> {
  const warn = (message: string) => reporter.warn(`${task.name} ${split.name}: ${message}`);
  const phase = reporter.phase('evaluate', examples.length);
  const onDone = (done: number) => phase.update(done);
  const { note, ...scored } = await kinds[task.kind].score(adapted, task, examples, { ...options, warn, onDone });
  phase.end();
  if (note !== undefined) reporter.info(note);
  return scored;
}
