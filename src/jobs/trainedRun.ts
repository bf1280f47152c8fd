import type { AdapterPlan } from '../adapters/plan.js';
import { methodOf, placeAdapter } from '../artifacts/adapterFolder.js';
import { secondsSince } from '../artifacts/runRecord.js';
import { stepsPerEpochOf } from '../engine/batchStream.js';
import { exampleLosses, meanLoss, type WeightedLoss } from '../engine/exampleLosses.js';
import { canBeCut, type Objective } from '../engine/objective.js';
import { type Parameter, trainedOf, withHeadTraining } from '../engine/parameters.js';
import type { TrainStep } from '../engine/training.js';
import { usageError } from '../errors.js';
import type { Computing } from '../infer/sharedOut.js';
import type { Scores } from '../metrics/scores.js';
import type { Model } from '../models/model.js';
import type { Ranks } from '../mpi/ranks.js';
import { type Reporter, silent } from '../reporter.js';
import type { Dam } from '../selection/dam.js';
import {
  goingOnFrom,
  hasMatrix,
  learningRateOf,
  type OptimisationConfig,
  type TrainConfig,
} from '../settings/config.js';
import { trainingSteps } from '../settings/trainingOptions.js';
import type { Adapted, OpenScorer, Scored, ScoreOptions, Scorer, TaskAsked } from '../tasks/kinds/kind.js';
import type { EncodedSplit } from '../tasks/splits.js';
import { refuseApart } from './alike.js';
import { fineTune } from './fineTune.js';
import { keptPrefix, refuseUnkeptLoss } from './keptPrefix.js';
import { planOnTargets, planRun, startingParameters } from './plan.js';
import type { RunContext } from './runContext.js';
import { type Selection, savedSelection, selectModules } from './selectModules.js';
import { type EvaluationOptions, type MetricsLine, trainingWatch } from './watch.js';
import type { Workspace } from './workspace.js';

/** The loss that a run has lowered, of examples that it was not trained on. */
export interface ValidationLoss {
  readonly loss: number;
  /** What each example adds to it, in their order. */
  readonly examples: readonly WeightedLoss[];
}

/** What a training run leaves in memory. */
export interface TrainedRun extends Omit<Scored, 'note' | 'warnings'> {
  /** The configuration as it was followed: where the run went on from an adapter, with the method of that. */
  readonly config: TrainConfig;
  readonly plan: AdapterPlan;
  readonly parameters: readonly Parameter[];
  readonly dam: Dam | undefined;
  readonly steps: readonly TrainStep[];
  /** Steps that were planned; fewer were taken where it stopped early. */
  readonly totalSteps: number;
  /** Steps and evaluations in order. */
  readonly metrics: readonly MetricsLine[];
  /** Step whose values were taken, where the best evaluation's are. */
  readonly bestStep: number | undefined;
  /** Of the dev split, as are `predicted` and `statistics`. */
  readonly scores: Scores;
  /** Of the held-out training examples, where it was asked for. */
  readonly validation?: ValidationLoss | undefined;
  readonly seconds: { readonly select: number; readonly train: number; readonly evaluate: number };
}

/** Selects (DiffoRA), fine-tunes and scores on the dev split. Nothing is written. */
export async function trainIn(workspace: Workspace, asked: TrainConfig, context: RunContext): Promise<TrainedRun> {
  const { reporter, signal, log, journal, ranks, agree } = context;
  const { opened, task, train, dev, adapter } = workspace;
  const { model } = opened;
  const config = adapter === undefined ? asked : goingOnFrom(asked, methodOf(adapter), adapter.folder);
  const { optimisation, run } = config;
  const { labelSmoothing, classWeights } = optimisation;
  const changes = { settings: { labelSmoothing, classWeights }, task, examples: train.encoded };
  const objective = task.kind.objective(changes, task);
  refuseUnkeptLoss(optimisation, objective);
  refuseUncut(optimisation, objective, ranks);
  if (workspace.validation !== undefined && objective.parts === 'never') {
    throw usageError(
      'validationLoss is that of each example by itself, and in the loss of this task examples stand in each other’s. Leave it out.',
    );
  }
  // Before anything is trained: what is wrong with the rows to be scored should not have to wait for the end.
  const encoded = await workspace.scorer();
  const heldOut = await workspace.validation?.();
  const started = performance.now();
  let selection: Selection | undefined;
  if (workspace.dam !== undefined) {
    selection = { dam: workspace.dam, trained: [] };
  } else if (adapter === undefined && hasMatrix(config)) {
    // What cannot be planned is to be known before a search, not after it.
    planOnTargets(model, config.method);
    const choose = () => selectModules(model, task, train.encoded, config, context);
    selection = await (journal?.once('selection', savedSelection, choose) ?? choose());
  }
  const stage = journal?.stage('train');
  const searched = stage?.found === undefined ? selection?.dam.search?.history : [];
  for (const { step, trainLoss, validationLoss, entropy } of searched ?? []) {
    log?.scalars(
      present({ 'search/train_loss': trainLoss, 'search/validation_loss': validationLoss, 'search/entropy': entropy }),
      step,
    );
  }
  const select = secondsSince(started);

  const { plan, parameters: alike } = adapter
    ? placeAdapter(adapter, model)
    : await startingPlan(model, config, selection);
  const { headLr, headWeightDecay } = optimisation;
  const learningRate = learningRateOf(config);
  const parameters = withHeadTraining(alike, model.head, { lr: learningRate, headLr, headWeightDecay });
  const prefix = keptPrefix(model, {
    plan,
    parameters,
    examples: train.encoded,
    settings: optimisation,
    threads: run.threads,
    wasChosen: selection !== undefined,
    reporter,
  });
  const trainingStarted = performance.now();
  const totalSteps = trainingSteps(
    optimisation,
    stepsPerEpochOf(train.encoded, { batchSize: optimisation.batchSize, seed: run.seed }),
  );
  const { threads } = run;
  const { nullScoreDiffThreshold } = config.data;
  const shared = ranks && { ranks, reduce: run.reduce };
  const trained = trainedOf(parameters);
  if (ranks !== undefined) await refuseApart(ranks, trained, 'before the first step');
  const scorer = openedOnce(encoded, { opened, plan, parameters }, { threads, ranks });
  const scoring = { nullScoreDiffThreshold, signal };
  const score = async (to: Reporter) => {
    const scored = await scoreExamples(scorer, dev.examples.length, scoring, to);
    return ranks === undefined ? scored : { ...scored, scores: await scoresOfFirst(ranks, scored.scores) };
  };
  const evaluation = evaluationOf(optimisation, task, async () => (await score(silent)).scores, context);
  const watch = trainingWatch(trained, totalSteps, evaluation);
  try {
    const phase = reporter.phase('train', totalSteps, stage?.found?.step);
    await fineTune(model, plan, parameters, train.encoded, {
      objective,
      optimisation,
      learningRate,
      run,
      shared,
      agree,
      signal,
      watch,
      stage,
      prefix,
      warn: reporter.warn,
      onStep: (step, { examples, tokens }) => {
        watch.record(step);
        reporter.stepped?.(step);
        phase.update(step.step + 1, { loss: step.loss, examples, tokens });
        const { loss: value, learningRate, gradientNorm } = step;
        log?.scalars(
          present({ 'train/loss': value, 'train/learning_rate': learningRate, 'train/gradient_norm': gradientNorm }),
          step.step + 1,
        );
      },
    });
    phase.end();
    if (ranks !== undefined) await refuseApart(ranks, trained, 'after training');
    const bestStep = watch.takeBest();
    if (bestStep !== undefined) {
      reporter.info(`The adapter is that of the best evaluation, after step ${bestStep + 1}.`);
    }
    const trainSeconds = secondsSince(trainingStarted);

    const evaluationStarted = performance.now();
    const scored = await score(reporter);
    const steps = watch.lines.flatMap(({ phase: of, ...step }) => (of === 'train' ? [step as TrainStep] : []));
    const validation =
      heldOut &&
      (await validationLossOf(heldOut, { opened, plan, parameters }, objective, { threads, ranks, reporter, signal }));
    const losses = validation === undefined ? {} : { 'validation/loss': validation.loss };
    log?.scalars({ ...devScalars(scored.scores), ...losses }, (bestStep ?? steps.length - 1) + 1);
    const seconds = { select, train: trainSeconds, evaluate: secondsSince(evaluationStarted) };
    return {
      config,
      plan,
      parameters,
      dam: selection?.dam,
      steps,
      totalSteps,
      metrics: watch.lines,
      bestStep,
      ...scored,
      validation,
      seconds,
    };
  } finally {
    await scorer.release();
  }
}

/** @throws DiffoError (usage) */
function refuseUncut({ accumulate }: OptimisationConfig, objective: Objective, ranks: Ranks | undefined): void {
  if (canBeCut(objective)) return;
  if (ranks !== undefined) {
    throw usageError(
      'Ranks share batches out, and in the loss of this task its examples stand in each other’s. Start it without mpirun.',
    );
  }
  if (accumulate === 1) return;
  throw usageError(
    'accumulate cuts a batch into parts, and in the loss of this task its examples stand in each other’s. Leave it out, or lower batchSize.',
  );
}

async function validationLossOf(
  { encoded }: EncodedSplit,
  { opened, plan, parameters }: Adapted,
  objective: Objective,
  {
    threads,
    ranks,
    reporter,
    signal,
  }: Pick<RunContext, 'reporter' | 'signal' | 'ranks'> & { readonly threads: number },
): Promise<ValidationLoss> {
  const phase = reporter.phase('validation loss', encoded.length);
  const onDone = (done: number) => phase.update(done, { examples: done });
  const examples = await exampleLosses(opened.model, plan, parameters, encoded, {
    objective,
    threads,
    ranks,
    signal,
    onDone,
  });
  phase.end();
  return { loss: meanLoss(examples), examples };
}

/** Decisions hang on scores: those of the first rank, to the bit, whatever another machine makes of the same outputs. */
async function scoresOfFirst(ranks: Ranks, scores: Scores): Promise<Scores> {
  const entries = Object.entries(scores);
  const [first] = await ranks.numbers(...entries.map(([, score]) => score));
  return Object.fromEntries(entries.map(([name], i) => [name, first![i]!]));
}

/** A scorer that is compiled at the first scoring, and stays so: a graph reads the parameters as they are at each run. */
function openedOnce(scorer: Scorer, adapted: Adapted, computing: Computing): OpenScorer {
  let opened: Promise<OpenScorer> | undefined;
  return {
    async score(options) {
      opened ??= scorer.open(adapted, computing);
      return (await opened).score(options);
    },
    // One that could not be opened has been told of, and holds nothing.
    release: async () =>
      opened?.then(
        (one) => one.release(),
        () => {},
      ),
  };
}

/** The evaluations that a configuration asks for while it trains. */
function evaluationOf(
  { evalSteps, earlyStopping, keepBest = true }: OptimisationConfig,
  { metrics }: TaskAsked,
  score: () => Promise<Scores>,
  { reporter, log }: RunContext,
): EvaluationOptions | undefined {
  if (evalSteps === undefined) return undefined;
  return {
    every: evalSteps,
    patience: earlyStopping,
    keepBest,
    metric: metrics[0]!,
    score,
    onScores: (scores, steps) => {
      reporter.evaluated(steps, scores);
      log?.scalars(devScalars(scores), steps);
    },
  };
}

/** Without what a step that was left out does not have. */
function present(scalars: Readonly<Record<string, number | null>>): Record<string, number> {
  return Object.fromEntries(Object.entries(scalars).filter((entry): entry is [string, number] => entry[1] !== null));
}

function devScalars(scores: Scores): Record<string, number> {
  return Object.fromEntries(Object.entries(scores).map(([name, value]) => [`dev/${name}`, value]));
}

/** The plan of a run and its parameters as they start. */
export async function startingPlan(model: Model, config: TrainConfig, selection: Selection | undefined) {
  const { share, start } = config.selection;
  const choice = selection && { gamma: selection.dam.gamma, share, ranks: selection.ranks };
  const plan = planRun(model, config.method, choice);
  const trained = start === 'search' ? selection?.trained : undefined;
  return { plan, parameters: await startingParameters(model, plan, config.run.seed, trained) };
}

/** Scores examples, told of as the phase `evaluate`. */
export async function scoreExamples(
  scorer: OpenScorer,
  examples: number,
  options: Omit<ScoreOptions, 'onDone'>,
  reporter: Reporter,
): Promise<Omit<Scored, 'note' | 'warnings'>> {
  const phase = reporter.phase('evaluate', examples);
  const onDone = (done: number, tokens: number) => phase.update(done, { examples: done, tokens });
  const { note, warnings = [], ...scored } = await scorer.score({ ...options, onDone });
  phase.end();
  if (note !== undefined) reporter.info(note);
  for (const warning of warnings) reporter.warn(warning);
  return scored;
}
