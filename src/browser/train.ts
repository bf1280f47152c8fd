import { loraPlan } from '../adapters/methods/lora.js';
import { adapterParameters, countParameters, headParameters, withHeadTraining } from '../engine/parameters.js';
import { type TrainStep, trainParameters } from '../engine/training.js';
import type { Scores } from '../metrics/scores.js';
import { noteNewHead, withHead, withOutputBias } from '../models/loading/withHead.js';
import type { MatrixFrame, SteppedSearch } from '../progress.js';
import { type Reporter, silent } from '../reporter.js';
import { splitByGamma } from '../selection/dam.js';
import { matchTargets, restrictColumns } from '../selection/targets.js';
import { trainingOptionsOf } from '../settings/trainingOptions.js';
import { encodeUsed, headOf, loadSplit, scorerOf, sequenceLength, useSplit, warnOfLost } from '../tasks/splits.js';
import type { Task } from '../tasks/task.js';
import { turn } from '../turns.js';
import { type BrowserAdapter, browserAdapter } from './adapter.js';
import type { BrowserModel } from './loadModel.js';
import { selectModules } from './selectModules.js';
import { checkSettings, type TrainSettings } from './settings.js';

/** Who is told of a training while it goes on, and who stops it. */
export interface TrainOptions {
  /** A step of the fine-tuning is done. */
  readonly onStep?: ((step: TrainStep) => void) | undefined;
  /** A step of DiffoRA's search is done, of `total`. */
  readonly onSearchStep?: ((step: SteppedSearch, total: number) => void) | undefined;
  /** The matrix, after every step of the search and as it was chosen. */
  readonly onMatrix?: ((matrix: MatrixFrame) => void) | undefined;
  /** Told what a person should know: examples that were cut, a head that is new. */
  readonly onNote?: ((sentence: string) => void) | undefined;
  /** Aborted, the training ends within a step and throws the signal's reason. */
  readonly signal?: AbortSignal | undefined;
}

/** An adapter that was trained in a tab. */
export interface TrainedAdapter extends BrowserAdapter {
  /** Loss of every step. */
  readonly steps: readonly TrainStep[];
  /** Where DiffoRA put adapters; undefined for `lora`. */
  readonly matrix: MatrixFrame | undefined;
  /** Of the examples that were held out. */
  readonly scores: Scores;
  /** Numbers that were trained, head included. */
  readonly trainable: number;
}

/**
 * Selects modules (with `method: 'diffora'`, the default), fine-tunes, and scores the examples that were held out. Between
 * steps the tab goes on: what is drawn, and an abort, wait for a step at most. The losses are Node's, to rounding.
 *
 * @returns the adapter, to be closed once it is no longer needed
 * @throws DiffoError for a wrong setting, a loss that diverges, a model or task that do not go together; the signal's
 *   reason after an abort
 * @example
 * const adapter = await train(model, task, { epochs: 2 }, { onStep: ({ step, loss }) => draw(step, loss) });
 * const [prediction] = await adapter.predict(['Broke on the first day']);
 * download(await adapter.save(), 'adapter.zip');
 */
export async function train(
  { loaded, threads }: BrowserModel,
  task: Task,
  given: TrainSettings = {},
  options: TrainOptions = {},
): Promise<TrainedAdapter> {
  const settings = checkSettings(given);
  const { onNote = () => {}, signal, onMatrix } = options;
  const { seed, labelSmoothing, classWeights, headLr, headWeightDecay, lr, rank, alpha, loraDropout } = settings;
  const reporter: Reporter = { ...silent, info: onNote, warn: onNote };
  const used = useSplit(await loadSplit(task, 'train'), { seed });
  const dev = useSplit(await loadSplit(task, 'dev'), { seed });
  const whole = withHead(loaded, headOf(task, settings.head), reporter);
  noteNewHead(whole.model, reporter);
  const start = task.kind.outputBias?.(used.examples);
  const model = start === undefined ? whole.model : withOutputBias(whole.model, start);
  const isSearched = settings.method === 'diffora';
  const opened = { ...whole, model: isSearched ? restrictColumns(model, settings.targets) : model };
  warnOfLost(task, used, reporter);
  const maxLength = await sequenceLength(opened, settings.maxLength, task, used, { reporter, signal });
  const encoding = { maxLength, threads, signal };
  const { encoded } = await encodeUsed(opened, task, used, encoding, reporter);
  const changes = { settings: { labelSmoothing, classWeights }, task, examples: encoded };
  const objective = task.kind.objective(changes, task);
  const scorer = await scorerOf(opened, task, dev, encoding, reporter);

  let matrix: MatrixFrame | undefined;
  if (isSearched) {
    matrix = await selectModules(opened.model, encoded, task.kind.objective(undefined, task), settings, {
      threads,
      signal,
      warn: onNote,
      searched(step, total, frame) {
        options.onSearchStep?.(step, total);
        onMatrix?.(frame());
      },
    });
    onMatrix?.(matrix);
  }
  const own =
    matrix === undefined ? matchTargets(opened.model, settings.targets) : splitByGamma(opened.model, matrix.gamma).kept;
  const plan = loraPlan({ rank, alpha, loraDropout }, { own, shared: [] }, opened.model);
  const fresh = [...(await adapterParameters(plan, opened.model, seed)), ...(await headParameters(opened.model, seed))];
  const parameters = withHeadTraining(fresh, opened.model.head, { lr, headLr, headWeightDecay });
  const steps: TrainStep[] = [];
  await trainParameters(opened.model, plan, parameters, encoded, {
    ...trainingOptionsOf(settings, lr, { seed, threads }),
    objective,
    signal,
    warn: onNote,
    agree: turn,
    onStep(step) {
      steps.push(step);
      options.onStep?.(step);
    },
  });
  const scoring = await scorer.open({ opened, plan, parameters }, { threads });
  try {
    const { scores, note, warnings = [] } = await scoring.score({ signal });
    for (const sentence of [...(note === undefined ? [] : [note]), ...warnings]) onNote(sentence);
    const adapter = browserAdapter({ opened, plan, parameters, task, maxLength, threads, totalSteps: steps.length });
    return { ...adapter, steps, matrix, scores, trainable: countParameters(parameters) };
  } finally {
    await scoring.release();
  }
}
