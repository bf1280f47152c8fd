import * as z from 'zod';
import type { Watch } from '../engine/loop.js';
import type { Parameter } from '../engine/parameters.js';
import type { TrainStep } from '../engine/training.js';
import { isBetter, type MetricName } from '../metrics/names.js';
import type { Scores } from '../metrics/scores.js';
import { arraysState, type State } from '../state.js';

/** JSON has no NaN, which an undefined correlation is. */
const score = z
  .number()
  .nullable()
  .transform((value) => value ?? Number.NaN);

const lineSchema = z.discriminatedUnion('phase', [
  z.object({
    phase: z.literal('train'),
    step: z.int(),
    totalSteps: z.int(),
    loss: z.number().nullable(),
    learningRate: z.number(),
    gradientNorm: z.number().nullable(),
    skipped: z.literal(true).optional(),
  }),
  z.object({
    phase: z.literal('evaluate'),
    /** The step after which it was. */
    step: z.int(),
    scores: z.record(z.string(), score).transform((scores): Scores => scores),
  }),
]);

/** A line of metrics.jsonl. */
export type MetricsLine = z.infer<typeof lineSchema>;

const stateSchema = z.object({
  lines: z.array(lineSchema),
  best: z.object({ step: z.int(), score }).optional(),
  waited: z.int(),
});

/** Evaluations while a run goes on. */
export interface EvaluationOptions {
  /** Steps between two of them. */
  readonly every: number;
  /** Evaluations in a row that are no better than the best, after which training stops. */
  readonly patience?: number | undefined;
  /** Remember the values of the best one. */
  readonly keepBest: boolean;
  /** The metric that decides. */
  readonly metric: MetricName;
  readonly score: () => Promise<Scores>;
  readonly onScores: (scores: Scores, steps: number) => void;
}

/** What a run records while it trains, and its evaluations. */
export interface TrainingWatch extends Watch {
  readonly lines: readonly MetricsLine[];
  record(step: TrainStep): void;
  /** Puts the values of the best evaluation into the parameters, where they are kept. @returns its step */
  takeBest(): number | undefined;
}

/** @param trained the parameters whose values the best evaluation had */
export function trainingWatch(
  trained: readonly Parameter[],
  totalSteps: number,
  evaluation: EvaluationOptions | undefined,
): TrainingWatch {
  const lines: MetricsLine[] = [];
  const keepsBest = evaluation?.keepBest === true;
  const bestValues = Object.fromEntries(
    keepsBest ? trained.map(({ name, values }) => [name, new Float32Array(values.length)]) : [],
  );
  let best: { step: number; score: number } | undefined;
  let waited = 0;

  const isDue = (steps: number, { every }: EvaluationOptions) =>
    // The last state is to be weighed against the best.
    (steps % every === 0 || (keepsBest && steps === totalSteps)) &&
    lines.findLast(({ phase }) => phase === 'evaluate')?.step !== steps - 1;

  const evaluate = async (steps: number, { metric, score: scoreNow, onScores }: EvaluationOptions) => {
    const scores = await scoreNow();
    const value = scores[metric] ?? Number.NaN;
    lines.push({ phase: 'evaluate', step: steps - 1, scores });
    if (best === undefined || isBetter(metric, value, best.score)) {
      best = { step: steps - 1, score: value };
      waited = 0;
      for (const { name, values } of trained) bestValues[name]?.set(values);
    } else {
      waited++;
    }
    onScores(scores, steps);
  };

  return {
    lines,
    record: (step) => lines.push({ phase: 'train', ...step }),
    async after(steps, settle) {
      if (evaluation === undefined) return false;
      if (isDue(steps, evaluation)) {
        await settle?.();
        await evaluate(steps, evaluation);
      }
      return waited >= (evaluation.patience ?? Number.POSITIVE_INFINITY);
    },
    takeBest() {
      if (!keepsBest || best === undefined) return undefined;
      for (const { name, values } of trained) values.set(bestValues[name]!);
      return best.step;
    },
    state: (): State => ({ ...arraysState(bestValues).state(), values: { lines, best, waited } }),
    restore(state) {
      arraysState(bestValues).restore(state);
      const saved = stateSchema.parse(state.values);
      lines.push(...saved.lines);
      best = saved.best;
      waited = saved.waited;
    },
  };
}
