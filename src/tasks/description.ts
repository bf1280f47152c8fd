import { basename, dirname, extname, resolve } from 'node:path';
import { z } from 'zod';
import { DiffoError, nearestNames } from '../errors.js';
import { readYaml } from '../files/yaml.js';
import { metricNames } from '../metrics/names.js';
import { type LearnedKind, learnedKinds, type Task } from './task.js';

const name = z.union([z.string().min(1), z.number(), z.boolean()]).transform(String);

/** Names of the columns of a task, in a task file and in task.json. */
export const columnsSchema = z.strictObject({
  text: z.string(),
  pair: z.string().optional(),
  label: z.string(),
  choices: z.string().optional(),
});

const schema = z.strictObject({
  name: z.string().min(1).optional(),
  train: z.string().min(1),
  dev: z.string().min(1).optional(),
  test: z.string().min(1).optional(),
  columns: columnsSchema.optional(),
  kind: z.enum(learnedKinds).optional(),
  labels: z
    .array(name)
    .min(2)
    .refine((names) => new Set(names).size === names.length, 'a label is named twice')
    .optional(),
  metrics: z.array(z.enum(metricNames)).min(1).optional(),
  prompt: z
    .string()
    .refine((prompt) => prompt.includes('{text}'), 'it does not hold {text}, where the text of a row belongs')
    .optional(),
  answer: z.string().superRefine(refuseBadExpression).optional(),
  maxNewTokens: z.int().positive().optional(),
});

/** What only one kind of task has; `columns.…` among them. */
const KEYS_OF_A_KIND: Readonly<Record<string, readonly LearnedKind[]>> = {
  labels: ['classification'],
  prompt: ['language'],
  answer: ['language'],
  maxNewTokens: ['language'],
  choices: ['language'],
  pair: ['classification', 'regression', 'span'],
};

/** SQuAD's columns, which a span task has where it names no others. */
export const SPAN_COLUMNS = { text: 'question', pair: 'context', label: 'answers' };

/** Columns as they are written down, `undefined` among them. */
export type NamedColumns = z.infer<typeof columnsSchema>;

/** A task of one's own: what a task file says, with the paths resolved. */
export interface TaskDescription {
  readonly name: string;
  readonly train: string;
  readonly dev?: string | undefined;
  readonly test?: string | undefined;
  readonly columns: Task['columns'];
  readonly kind?: Task['kind'] | undefined;
  readonly labels?: readonly string[] | undefined;
  readonly metrics?: Task['metrics'] | undefined;
  /** What of a language task's `Generation` is not as usual. */
  readonly prompt?: string | undefined;
  readonly answer?: string | undefined;
  readonly maxNewTokens?: number | undefined;
}

/** True when the path ends as a task file does. */
export function isDescriptionPath(path: string): boolean {
  return ['.yaml', '.yml', '.json'].includes(extname(path).toLowerCase());
}

/**
 * Reads a task file (YAML or JSON): `train`, `dev`, `test` (data files, relative to the task file), `columns` (`text`,
 * `pair`, `label`, `choices`), `kind`, `labels`, `metrics`, `name`, `prompt`, `answer`, `maxNewTokens`.
 *
 * @throws DiffoError that names file and key: an unknown key, a missing one, a wrong value, one of another kind
 */
export async function readDescription(path: string): Promise<TaskDescription> {
  const result = schema.safeParse(await readYaml(path));
  if (!result.success) {
    // A misspelt key also makes one that is missing; the spelling is what helps.
    const { issues } = result.error;
    const telling = issues.find(({ code }) => code === 'unrecognized_keys') ?? issues[0]!;
    throw new DiffoError(`${path}: ${faultOf(telling)}`, { cause: result.error });
  }
  const { columns: named, ...rest } = result.data;
  const columns: NamedColumns | undefined = named ?? (rest.kind === 'span' ? SPAN_COLUMNS : undefined);
  if (!columns)
    throw new DiffoError(`${path}: "columns" is missing or wrong: write {text: …, label: …} with their names.`);
  refuseUnfit(path, rest.kind, [...Object.keys(result.data), ...Object.keys(columns)]);
  const at = (file: string | undefined) => (file === undefined ? undefined : resolve(dirname(path), file));
  return {
    ...rest,
    name: rest.name ?? basename(path, extname(path)),
    train: resolve(dirname(path), rest.train),
    dev: at(rest.dev),
    test: at(rest.test),
    columns: taskColumns(columns),
  };
}

/** Columns without those that are undefined. */
export function taskColumns({ text, pair, label, choices }: NamedColumns): Task['columns'] {
  return { text, ...(pair === undefined ? {} : { pair }), label, ...(choices === undefined ? {} : { choices }) };
}

function faultOf(issue: z.core.$ZodIssue): string {
  const where = issue.path.length === 0 ? 'the task' : `"${issue.path.join('.')}"`;
  if (issue.code === 'unrecognized_keys') {
    const known = issue.path[0] === 'columns' ? ['text', 'pair', 'label', 'choices'] : Object.keys(schema.shape);
    const key = issue.keys[0]!;
    const [nearest] = nearestNames(key, known, 1);
    return `${where} has the unknown key "${key}". Did you mean "${nearest}"? Known are ${known.join(', ')}.`;
  }
  return `${where} is missing or wrong: ${issue.message}.`;
}

function refuseUnfit(path: string, kind: LearnedKind | undefined, keys: readonly string[]): void {
  for (const key of keys) {
    const kinds = KEYS_OF_A_KIND[key];
    if (!kinds || kinds.includes(kind ?? 'classification')) continue;
    const found = kind === undefined ? 'the file names no kind' : `this is a ${kind}`;
    throw new DiffoError(`${path}: "${key}" is for kind: ${kinds.join(' or ')}, but ${found}. Change one of the two.`);
  }
  if (kind === 'span' && !keys.includes('pair')) {
    throw new DiffoError(`${path}: "columns.pair" is missing. Name the column of the passages that hold the answers.`);
  }
}

function refuseBadExpression(answer: string, context: z.RefinementCtx<string>): void {
  try {
    new RegExp(answer);
  } catch (error) {
    context.addIssue(error instanceof Error ? error.message : String(error));
  }
}
