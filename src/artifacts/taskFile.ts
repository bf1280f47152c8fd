import * as z from 'zod';
import type { Checkpoint, NamedTensor } from '../checkpoint/types.js';
import { metricNames } from '../metrics/names.js';
import { type HeadPart, headParts, type TaskType } from '../models/model.js';
import { columnsSchema, taskColumns } from '../tasks/columns.js';
import { kindNames, kinds } from '../tasks/kinds/registry.js';
import { namedLabels, outputsAre } from '../tasks/kinds/savedLabels.js';
import { readOwn, refuseUnknownKeys } from '../tasks/ownKeys.js';
import { type LearnedTask, unknownTask } from '../tasks/task.js';

/** task.json beside an adapter: what was learned. */
export interface TaskFile extends LearnedTask {
  readonly format: 'diffora-task/1';
  /** Longest sequence in tokens. */
  readonly maxLength: number;
  /** Part of the head that was trained; adapters that others wrote do not say it. */
  readonly head?: Exclude<HeadPart, 'none'> | undefined;
  /** Of the base model (src/checkpoint/weightsHash.ts); adapters that others wrote have none. */
  readonly baseSha256?: string | undefined;
}

const common = z.looseObject({
  format: z.literal('diffora-task/1'),
  name: z.string(),
  kind: z.enum(kindNames),
  labels: z.array(z.string()),
  columns: columnsSchema.transform(taskColumns),
  metrics: z.array(z.enum(metricNames)).min(1),
  maxLength: z.int().positive(),
  head: z.enum(headParts).optional(),
  baseSha256: z.string().optional(),
});

/** task.json: what an adapter's logits mean and how its rows are read. */
export const taskFileSchema = common.transform((value, context): TaskFile => {
  const { format, name, labels, columns, metrics, maxLength, head, baseSha256 } = value;
  const kind = kinds[value.kind];
  const own = kind.facts === undefined ? [] : [kind.facts];
  refuseUnknownKeys(value, [...Object.keys(common.shape), ...own.flatMap(({ keys }) => keys)], context);
  const facts = readOwn(value, own, context, {});
  return { format, name, kind, labels, columns, metrics, ...facts, maxLength, head, baseSha256 };
});

/** The module of a head that gives its outputs: RoBERTa's classifier has two layers, decoders call theirs `score`. */
const outputWeight = /(^|\.)(classifier|classifier\.out_proj|score)\.weight$/;

/**
 * What an adapter's head tells of its task, where others wrote the folder; undefined where no kind of task has it.
 * @param base the base model, once it is open: it may say what the outputs are and how they are called
 */
export function foreignTask(
  taskType: TaskType,
  head: readonly NamedTensor[],
  base?: Pick<Checkpoint, 'config' | 'folder'>,
): TaskFile | undefined {
  const outputs = head.find(({ name }) => outputWeight.test(name))?.shape[0] ?? 2;
  const named = base && namedLabels(base);
  const said = base && { are: outputsAre(base), labels: named?.length === outputs ? named : undefined };
  for (const kind of Object.values(kinds)) {
    const found = kind.fromHead?.({ taskType, outputs, base: said });
    if (found === undefined) continue;
    const { maxLength = 128, ...rest } = found;
    return { format: 'diffora-task/1', ...unknownTask, kind, ...rest, maxLength };
  }
  return undefined;
}
