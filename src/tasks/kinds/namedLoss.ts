import { DiffoError } from '../../errors.js';
import type { LossName } from './kind.js';

/**
 * The loss that a task names, which has to be one of its kind's.
 * @param where the file, for messages
 * @throws DiffoError that lists the losses of the kind
 */
export function namedLoss<Name extends LossName>(
  asked: LossName | undefined,
  names: readonly Name[],
  where: string,
): Name | undefined {
  const known = names.find((name) => name === asked);
  if (known !== undefined || asked === undefined) return known;
  throw new DiffoError(`${where}: this kind of task has no loss ${asked}. Choose from ${names.join(', ')}.`);
}
