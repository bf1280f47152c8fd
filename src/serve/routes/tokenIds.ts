import * as z from 'zod';
import { badRequest } from '../apiError.js';
import type { ServedModel } from '../servedModel.js';

const id = z.int().nonnegative();

/** A text, several, or either as token ids. */
export const textsOrIds = z.union([
  z.string(),
  z.array(z.string()).min(1),
  z.array(id).min(1),
  z.array(z.array(id)).min(1),
]);

/** The texts one by one, each as text or as ids. */
export function eachText(given: z.output<typeof textsOrIds>): readonly (string | readonly number[])[] {
  if (typeof given === 'string') return [given];
  const isIds = (all: typeof given): all is number[] => all.every((one) => typeof one === 'number');
  return isIds(given) ? [given] : given;
}

/** @param what has the ids @throws ApiError (400) for an id that the model does not have */
export function refuseUnknownIds(
  what: string,
  ids: readonly number[],
  { name, tokenizer }: Pick<ServedModel, 'name' | 'tokenizer'>,
  param: string,
): void {
  const beyond = ids.find((one) => one > tokenizer.highestId);
  if (beyond === undefined) return;
  throw badRequest(`${what} has the id ${beyond}; those of ${name} end at ${tokenizer.highestId}.`, param);
}
