import type { Example } from '../data/types.js';
import { usageError } from '../errors.js';
import { isUnknown, type LearnedTask } from './task.js';

/** What is to be predicted: a text, or one with its pair (a second sentence; the passage of a question). */
export type PredictionInput = string | { readonly text: string; readonly pair?: string | undefined };

/**
 * An input as an example of a task.
 * @param i its place among the inputs
 * @throws DiffoError (usage) for a pair that the task does not have, or one that is missing
 */
export function inputExample(input: PredictionInput, i: number, task: LearnedTask): Example {
  const { name, columns } = task;
  const { text, pair } = typeof input === 'string' ? { text: input } : input;
  const isPair = columns.pair !== undefined && !task.kind.answersSingleTexts;
  if (!isUnknown(task) && isPair !== (pair !== undefined)) {
    const what = isPair ? `pairs of texts ("${columns.pair}"), and it has no pair` : 'single texts, and it has a pair';
    throw usageError(`Input ${i + 1}: the task ${name} is about ${what}.`);
  }
  return { id: String(i + 1), text, ...(pair === undefined ? {} : { pair }) };
}
