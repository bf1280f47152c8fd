import { readFile } from 'node:fs/promises';
import { basename, dirname, extname, resolve } from 'node:path';
import { parse } from 'yaml';
import { z } from 'zod';
import { DiffoError, nearestNames } from '../../errors.js';
import { fileError } from '../../files/errors.js';
import { metricNames, type Task } from '../types.js';

const name = z.union([z.string().min(1), z.number(), z.boolean()]).transform(String);

const schema = z.strictObject({
  name: z.string().min(1).optional(),
  train: z.string().min(1),
  dev: z.string().min(1).optional(),
  test: z.string().min(1).optional(),
  columns: z.strictObject({ text: z.string(), pair: z.string().optional(), label: z.string() }),
  kind: z.enum(['classification', 'regression']).optional(),
  labels: z
    .array(name)
    .min(2)
    .refine((names) => new Set(names).size === names.length, 'a label is named twice')
    .optional(),
  metrics: z.array(z.enum(metricNames)).min(1).optional(),
});

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
}

/** True when the path ends as a task file does. */
export function isDescriptionPath(path: string): boolean {
  return ['.yaml', '.yml', '.json'].includes(extname(path).toLowerCase());
}

/**
 * Reads a task file (YAML or JSON): `train`, `dev`, `test` (data files, relative to the task file), `columns` (`text`,
 * `pair`, `label`), `kind`, `labels`, `metrics`, `name`.
 *
 * @throws DiffoError that names file and key: an unknown key, a missing one, a wrong value
 */
export async function readDescription(path: string): Promise<TaskDescription> {
  let text: string;
  try {
    text = await readFile(path, 'utf8');
  } catch (error) {
    throw fileError(error, path, 'read');
  }
  let value: unknown;
  try {
    // JSON is YAML, so one parser does for both.
    value = parse(text);
  } catch (error) {
    const reason = error instanceof Error ? error.message.split('\n')[0] : String(error);
    throw new DiffoError(`${path} is not valid YAML or JSON: ${reason} Mend the file.`, { cause: error });
  }
  const result = schema.safeParse(value);
  if (!result.success) {
    // A misspelt key also makes one that is missing; the spelling is what helps.
    const { issues } = result.error;
    const telling = issues.find(({ code }) => code === 'unrecognized_keys') ?? issues[0]!;
    throw new DiffoError(`${path}: ${faultOf(telling)}`, { cause: result.error });
  }
  const { columns, ...rest } = result.data;
  const at = (file: string | undefined) => (file === undefined ? undefined : resolve(dirname(path), file));
  return {
    ...rest,
    name: rest.name ?? basename(path, extname(path)),
    train: resolve(dirname(path), rest.train),
    dev: at(rest.dev),
    test: at(rest.test),
    columns: taskColumns(columns.text, columns.pair, columns.label),
  };
}

/** Columns without an undefined `pair`. */
export function taskColumns(text: string, pair: string | undefined, label: string): Task['columns'] {
  return pair === undefined ? { text, label } : { text, pair, label };
}

function faultOf(issue: z.core.$ZodIssue): string {
  const where = issue.path.length === 0 ? 'the task' : `"${issue.path.join('.')}"`;
  if (issue.code === 'unrecognized_keys') {
    const known = issue.path[0] === 'columns' ? ['text', 'pair', 'label'] : Object.keys(schema.shape);
    const key = issue.keys[0]!;
    const [nearest] = nearestNames(key, known, 1);
    return `${where} has the unknown key "${key}". Did you mean "${nearest}"? Known are ${known.join(', ')}.`;
  }
  return `${where} is missing or wrong: ${issue.message}.`;
}
