import { methodOf, placeAdapter } from '../artifacts/adapterFolder.js';
import { secondsSince } from '../artifacts/runRecord.js';
import { subsample } from '../data/stratify.js';
import { withHeadTraining } from '../engine/parameters.js';
import type { Phase } from '../progress.js';
import { permutation, randomStream } from '../random.js';
import { type Reporter, silent } from '../reporter.js';
import type { Dam } from '../selection/dam.js';
import { discretise } from '../selection/discretise.js';
import { gridOf } from '../selection/grid.js';
import { choosingMethodOf, goingOnFrom, hasMatrix, learningRateOf, type TrainConfig } from '../settings/config.js';
import type { Adapted } from '../tasks/kinds/kind.js';
import { scorerOf } from '../tasks/splits.js';
import type { RunContext } from './runContext.js';
import { allowanceOf, selectModules } from './selectModules.js';
import { scoreExamples, startingPlan, trainIn } from './trainedRun.js';
import type { Workspace } from './workspace.js';

/** Units (steps, batches, examples) that are timed of a part of a run, after one that warms up. */
const fewest = 5;
const most = 12;
/** Seconds over which more than the fewest are timed. */
const patience = 5;
/** Seconds after which what was timed by then has to do. */
const longest = 20;
/** Examples that are scored to time it. */
const sampleSize = 64;

/** How long a part of a run takes, by some of its units. */
export interface TimedPart {
  /** Steps, batches or examples of the whole part, as its progress counts them. */
  readonly units: number;
  /** The median of those that were timed. */
  readonly secondsPerUnit: number;
  /** Units that were timed. */
  readonly timed: number;
  /** Compiling and the first unit, beyond what a unit takes. */
  readonly setupSeconds: number;
}

/** What a run takes on this machine, by parts of it that were done for a moment. */
export interface TimeEstimate {
  /** From beginning to end. */
  readonly seconds: number;
  /** What was worked on before the first step: opening the model, reading and encoding the rows. */
  readonly openingSeconds: number;
  /** Choosing modules, by what its progress counts; undefined where nothing is to be measured for that. */
  readonly selection?: (TimedPart & { readonly name: string }) | undefined;
  readonly training: TimedPart;
  /** One scoring of the dev split. */
  readonly evaluation: TimedPart;
  /** Scorings of the run, the last one included. */
  readonly evaluations: number;
  /** True where a search or the training may end before its last step. */
  readonly isMost: boolean;
}

/**
 * Does a few steps of a run as it would be, its modules drawn at random where they are still to be chosen, and a few batches of its
 * search and of its scoring. Nothing is written, and nothing of the workspace changes.
 * @param trainSteps steps of the training
 * @param openingSeconds what opening the workspace took
 */
export async function timeOf(
  workspace: Workspace,
  asked: TrainConfig,
  { trainSteps, openingSeconds }: { readonly trainSteps: number; readonly openingSeconds: number },
  { reporter, signal }: Pick<RunContext, 'reporter' | 'signal'>,
): Promise<TimeEstimate> {
  const phase = reporter.phase('timing', 3);
  const { opened, task, train, adapter } = workspace;
  const { model } = opened;
  const config = adapter === undefined ? asked : goingOnFrom(asked, methodOf(adapter), adapter.folder);
  const choosing = workspace.dam === undefined && adapter === undefined && hasMatrix(config);
  const chosen = choosing
    ? await timed((context) => selectModules(model, task, train.encoded, config, context), signal)
    : undefined;
  const selection = chosen?.part;
  phase.update(1);
  // What was over at once has chosen.
  const dam = choosing ? (chosen?.given?.dam ?? drawnMatrix(workspace, config)) : workspace.dam;
  // An evaluation among the steps would be timed with them.
  const { evalSteps, earlyStopping, keepBest = true } = config.optimisation;
  const optimisation = { ...config.optimisation, evalSteps: undefined, earlyStopping: undefined };
  const started = performance.now();
  await workspace.scorer();
  const encodingSeconds = secondsSince(started);
  const { part: training } = await timed(
    (context) => trainIn({ ...workspace, dam, validation: undefined }, { ...asked, optimisation }, context),
    signal,
    'train',
  );
  phase.update(2);
  const placed = adapter
    ? placeAdapter(adapter, model)
    : await startingPlan(model, config, dam && { dam, trained: [] });
  const { headLr, headWeightDecay } = optimisation;
  const parameters = withHeadTraining(placed.parameters, model.head, {
    lr: learningRateOf(config),
    headLr,
    headWeightDecay,
  });
  const evaluation = await timedScoring(workspace, { opened, plan: placed.plan, parameters }, config, signal);
  phase.update(3);
  phase.end();
  const among =
    evalSteps === undefined ? 0 : Math.floor(trainSteps / evalSteps) + Number(keepBest && trainSteps % evalSteps > 0);
  const evaluations = 1 + among;
  const isSearch = choosingMethodOf(config)?.passes !== undefined;
  const searches = isSearch ? config.selection.searchSeeds : 1;
  const name = isSearch ? 'steps of a search' : 'measurements of modules';
  const seconds =
    openingSeconds +
    encodingSeconds +
    (selection === undefined ? 0 : searches * secondsOf(selection)) +
    secondsOf({ ...training!, units: trainSteps }) +
    evaluation.setupSeconds +
    evaluations * evaluation.units * evaluation.secondsPerUnit;
  const endsEarly = earlyStopping !== undefined || (choosing && config.selection.searchPatience !== undefined);
  return {
    seconds,
    openingSeconds: openingSeconds + encodingSeconds,
    ...(selection === undefined ? {} : { selection: { ...selection, units: searches * selection.units, name } }),
    training: { ...training!, units: trainSteps },
    evaluation,
    evaluations,
    isMost: endsEarly,
  };
}

/**
 * Scores a sample of the dev split, once to warm up and once to time it. The first batches of the whole split would not do: they are
 * the shortest.
 */
async function timedScoring(
  { opened, task, dev, maxLength }: Workspace,
  adapted: Adapted,
  { data, run }: TrainConfig,
  signal: AbortSignal | undefined,
): Promise<TimedPart> {
  const { threads } = run;
  const { stride, nullScoreDiffThreshold } = data;
  const examples = subsample(dev.examples, Math.min(sampleSize, dev.examples.length), run.seed);
  const scorer = await scorerOf(opened, task, { ...dev, examples }, { maxLength, stride, threads, signal }, silent);
  const open = await scorer.open(adapted, { threads });
  const once = async () => {
    const started = performance.now();
    await scoreExamples(open, examples.length, { nullScoreDiffThreshold, signal }, silent);
    return secondsSince(started);
  };
  try {
    const first = await once();
    const seconds = first > longest ? first : await once();
    const units = dev.examples.length;
    const secondsPerUnit = seconds / examples.length;
    return { units, secondsPerUnit, timed: examples.length, setupSeconds: Math.max(0, first - seconds) };
  } finally {
    await open.release();
  }
}

/** Seconds of a whole part. */
export function secondsOf({ units, secondsPerUnit, setupSeconds }: TimedPart): number {
  return setupSeconds + units * secondsPerUnit;
}

/** A matrix as one might come out: as many modules as may be kept, drawn by the seed. */
function drawnMatrix({ opened: { model }, task }: Workspace, config: TrainConfig): Dam {
  const { keep, share } = config.selection;
  const { seed } = config.run;
  const order = permutation(model.adaptable.length, randomStream(seed, 'estimate'));
  const values = gridOf(model).matrix(order);
  const allowance = allowanceOf(model, config);
  const gamma = discretise(values, allowance);
  return {
    format: 'diffora-dam/2',
    select: 'random',
    layers: model.layers,
    modules: [...model.modules],
    gamma: gamma.map((row) => [...row]),
    values,
    keep,
    scope: allowance.scope,
    share,
    seed,
    model: config.data.model,
    task: task.name,
  };
}

/** The reason by which a part is ended once enough of it is known. */
const enough = Symbol('enough');

/**
 * Times the units of some work, and ends it once a few are known.
 * @param of the phase that is timed; left out, the first
 * @returns the part, undefined for work without a phase; and what the work gave, where that was over before it was ended
 */
async function timed<T>(
  work: (context: Pick<RunContext, 'reporter'> & { readonly signal: AbortSignal }) => Promise<T>,
  signal: AbortSignal | undefined,
  of?: string,
): Promise<{ readonly part: TimedPart | undefined; readonly given?: T }> {
  const stop = new AbortController();
  const signals = signal === undefined ? stop.signal : AbortSignal.any([signal, stop.signal]);
  let found: Stopwatch | undefined;
  const reporter: Reporter = {
    ...silent,
    phase(name, total) {
      if (found !== undefined || (of !== undefined && name !== of)) return silent.phase(name, total);
      found = new Stopwatch(total, () => stop.abort(enough));
      return found;
    },
  };
  try {
    const given = await work({ reporter, signal: signals });
    return { part: found?.part(), given };
  } catch (error) {
    if (error !== enough) throw error;
    return { part: found?.part() };
  }
}

/** Times the units of a phase. */
class Stopwatch implements Phase {
  private readonly begun = performance.now();
  private readonly marks: { readonly done: number; readonly at: number }[] = [];

  constructor(
    private readonly total: number,
    private readonly stop: () => void,
  ) {}

  update(done: number): void {
    const now = performance.now();
    this.marks.push({ done, at: now });
    const timed = this.marks.length - 1;
    const lasted = (now - this.marks[0]!.at) / 1000;
    const isLong = timed >= 1 && (now - this.begun) / 1000 > longest;
    if (timed >= most || (timed >= fewest && lasted > patience) || isLong) this.stop();
  }

  end(): void {}

  part(): TimedPart {
    const { marks, begun, total } = this;
    const [first] = marks;
    const each = marks
      .slice(1)
      .map(({ done, at }, i) => (at - marks[i]!.at) / 1000 / Math.max(1, done - marks[i]!.done));
    // What was over at once has no second unit.
    if (first === undefined) return { units: total, secondsPerUnit: 0, timed: 0, setupSeconds: secondsSince(begun) };
    const warming = (first.at - begun) / 1000;
    if (each.length === 0)
      return { units: total, secondsPerUnit: warming / first.done, timed: first.done, setupSeconds: 0 };
    const secondsPerUnit = medianOf(each);
    const timed = marks.at(-1)!.done - first.done;
    return { units: total, secondsPerUnit, timed, setupSeconds: Math.max(0, warming - first.done * secondsPerUnit) };
  }
}

function medianOf(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
}
