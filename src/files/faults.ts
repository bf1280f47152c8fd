import type * as z from 'zod';
import { nearestNames } from '../errors.js';
import { expectation, shapeAt, shapeOf } from './expectation.js';

/** Characters of a value that a message shows. */
const shownLength = 60;

/** A value as JSON has it, cut where it is long. */
export function shownJson(value: unknown): string {
  const text = typeof value === 'bigint' ? String(value) : (JSON.stringify(value) ?? String(value));
  return text.length > shownLength ? `${text.slice(0, shownLength)}…` : text;
}

/**
 * What is wrong with a value that a schema does not take, as a clause: `epochs is "three"; it takes a number above 0`.
 * @param schema the one that was asked, or that of its keys where it changes what it reads
 * @param whole what the value as a whole is called
 */
export function faultOf(issue: z.core.$ZodIssue, schema: z.ZodType, value: unknown, whole = 'the top level'): string {
  const { path } = issue;
  const name = path.length === 0 ? whole : pathName(path);
  // What a schema says in words of its own is said in these.
  if (issue.code === 'custom') return path.length === 0 ? issue.message : `${name}: ${issue.message}`;
  const shape = shapeAt(shapeOf(schema), path);
  if (issue.code === 'unrecognized_keys') return unknownKey(issue.keys[0]!, Object.keys(shape?.properties ?? {}), name);
  const expected = shape && expectation(shape);
  if (expected === undefined) return `${name}: ${issue.message}`;
  const found = path.reduce<unknown>(
    (at, key) => (at as Readonly<Record<PropertyKey, unknown>> | undefined)?.[key],
    value,
  );
  if (found === undefined) return `${name} is missing; it takes ${expected}`;
  const nearest = typeof found === 'string' && shape?.enum !== undefined ? nearestNames(found, shape.enum, 1) : [];
  const hint = nearest.length === 0 ? '' : `; nearest: ${nearest[0]}`;
  return `${name} is ${shown(found)}; it takes ${expected}${hint}`;
}

/** The first thing wrong, as {@link faultOf} says it. */
export function firstFault(error: z.ZodError, schema: z.ZodType, value: unknown, whole?: string): string {
  return faultOf(tellingIssue(error), schema, value, whole);
}

/** The issue to tell of: a misspelt key also makes one that is missing, and its spelling is what helps. */
export function tellingIssue({ issues }: z.ZodError): z.core.$ZodIssue {
  return issues.find(({ code }) => code === 'unrecognized_keys') ?? issues[0]!;
}

function unknownKey(key: string, known: readonly string[], where: string): string {
  const nearest = nearestNames(key, known, 2);
  return `${where} has the unknown key "${key}"${nearest.length === 0 ? '' : `; nearest: ${nearest.join(', ')}`}`;
}

/** `tasks[0].name` */
function pathName(path: readonly PropertyKey[]): string {
  return path.map((key, i) => (typeof key === 'number' ? `[${key}]` : `${i === 0 ? '' : '.'}${String(key)}`)).join('');
}

function shown(value: unknown): string {
  if (Array.isArray(value) && value.length > 20) return `a list of ${value.length}`;
  return shownJson(value);
}
