import { basename, dirname, extname, resolve } from 'node:path';
import { z } from 'zod';
import { DiffoError, nearestNames } from '../errors.js';
import { faultOf, tellingIssue } from '../files/faults.js';
import { readYaml } from '../files/yaml.js';
import { metricNames } from '../metrics/names.js';
import { columnsSchema, taskColumns } from './columns.js';
import type { Kind, KindTerms } from './kinds/kind.js';
import { kindNames, kinds, usualKind } from './kinds/registry.js';
import { readOwn, refuseUnknownKeys } from './ownKeys.js';
import type { Columns, Task } from './task.js';

const label = z.union([z.string().min(1), z.number(), z.boolean()]).transform(String);

const common = z.looseObject({
  name: z.string().min(1).optional(),
  train: z.string().min(1),
  dev: z.string().min(1).optional(),
  test: z.string().min(1).optional(),
  columns: columnsSchema.optional(),
  kind: z.enum(kindNames).optional(),
  labels: z
    .array(label)
    .min(2)
    .refine((names) => new Set(names).size === names.length, 'a label is named twice')
    .optional(),
  metrics: z.array(z.enum(metricNames)).min(1).optional(),
});

/** Keys that kinds add to a task file. */
const ownTerms = Object.values(kinds).flatMap(({ terms }) => terms?.keys ?? []);
const knownKeys = [...new Set([...Object.keys(common.shape), ...ownTerms])];

/** A misspelt key also makes one that is missing; the spelling is what helps, so that it is looked at first. */
const schema = z
  .looseObject({})
  .superRefine((value, context) => refuseUnknownKeys(value, knownKeys, context))
  .pipe(
    common.transform((value, context) => {
      const { name, train, dev, test, columns, kind, labels, metrics } = value;
      // A key may be of several kinds, each with values of its own. Those of a file that names no kind are refused below.
      const { terms } = kind === undefined ? usualKind : kinds[kind];
      const own = readOwn<KindTerms>(value, terms === undefined ? [] : [terms], context, {});
      return { ...own, name, train, dev, test, columns, kind, labels, metrics };
    }),
  );

/** A task of one's own: what a task file says, with the paths resolved. */
export interface TaskDescription extends KindTerms {
  readonly name: string;
  readonly train: string;
  readonly dev?: string | undefined;
  readonly test?: string | undefined;
  /** Left out: those usual for the kind. */
  readonly columns?: Columns | undefined;
  readonly kind?: Kind | undefined;
  readonly metrics?: Task['metrics'] | undefined;
}

/** True when the path ends as a task file does. */
export function isDescriptionPath(path: string): boolean {
  return ['.yaml', '.yml', '.json'].includes(extname(path).toLowerCase());
}

/**
 * Reads a task file (YAML or JSON): `train`, `dev`, `test` (data files, relative to the task file), `columns` (`text`,
 * `pair`, `label`, `choices`), `kind`, `labels`, `metrics`, `name`, and what kinds add, such as `prompt`.
 *
 * @throws DiffoError that names file and key: an unknown key, a missing one, a wrong value, one of another kind
 */
export async function readDescription(path: string): Promise<TaskDescription> {
  const value = await readYaml(path);
  const result = schema.safeParse(value);
  if (!result.success) {
    throw new DiffoError(`${path}: ${faultIn(tellingIssue(result.error), value)}`, { cause: result.error });
  }
  const { columns, kind: kindName, ...rest } = result.data;
  const kind = kindName && kinds[kindName];
  if (columns === undefined && kind?.columns === undefined)
    throw new DiffoError(
      `${path}: "columns" is missing or wrong: write {text: …, label: …} with their names, or "kind" where it is one whose columns have usual names (${namedColumns}).`,
    );
  const own = Object.keys(value as object).filter((key) => ownTerms.includes(key as keyof KindTerms));
  const given = Object.entries(result.data).flatMap(([key, value]) => (value === undefined ? [] : [key]));
  refuseUnfit(path, kind, [...given, ...own, ...Object.keys(columns ?? {})]);
  const pairIs = kind?.columns?.pairIs;
  if (pairIs !== undefined && columns !== undefined && columns.pair === undefined)
    throw new DiffoError(`${path}: "columns.pair" is missing. Name the column of ${pairIs}.`);
  const at = (file: string | undefined) => (file === undefined ? undefined : resolve(dirname(path), file));
  return {
    ...rest,
    name: rest.name ?? basename(path, extname(path)),
    train: resolve(dirname(path), rest.train),
    dev: at(rest.dev),
    test: at(rest.test),
    kind,
    columns: columns && taskColumns(columns),
  };
}

const namedColumns = Object.values(kinds)
  .filter(({ columns }) => columns !== undefined)
  .map(({ name }) => name)
  .join(', ');

function faultIn(issue: z.core.$ZodIssue, value: unknown): string {
  if (issue.code === 'unrecognized_keys') {
    const where = issue.path.length === 0 ? 'the task' : `"${issue.path.join('.')}"`;
    const known = issue.path[0] === 'columns' ? Object.keys(columnsSchema.shape) : knownKeys;
    const key = issue.keys[0]!;
    const [nearest] = nearestNames(key, known, 1);
    return `${where} has the unknown key "${key}". Did you mean "${nearest}"? Known are ${known.join(', ')}.`;
  }
  return `${faultOf(issue, common, value, 'a task file')}.`;
}

/** Keys of a task file and of its columns that only some kinds have. */
function refuseUnfit(path: string, kind: Kind | undefined, keys: readonly string[]): void {
  for (const key of keys) {
    const having = Object.values(kinds).filter((one) => one.keys.includes(key));
    if (having.length === 0 || having.includes(kind ?? usualKind)) continue;
    const found = kind === undefined ? 'the file names no kind' : `this is a ${kind.name}`;
    const names = having.map(({ name }) => name).join(' or ');
    throw new DiffoError(`${path}: "${key}" is for kind: ${names}, but ${found}. Change one of the two.`);
  }
}
