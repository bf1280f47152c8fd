import type * as z from 'zod';
import { faultOf } from '../files/faults.js';

/** Keys that a kind of task adds to an object in a file, with what may stand there. All may be missing. */
export interface OwnKeys<T> {
  readonly keys: readonly (keyof T & string)[];
  /** Reads them from an object and leaves others alone. */
  readonly schema: z.ZodType<T>;
}

/** {@link OwnKeys} of the schema of an object. */
export function ownKeys<T>(schema: z.ZodType<T> & { readonly shape: Readonly<Record<keyof T & string, z.ZodType>> }) {
  return { keys: Object.keys(schema.shape) as (keyof T & string)[], schema };
}

/** Tells `context` of keys that an object has and nobody knows. */
export function refuseUnknownKeys(
  value: Readonly<Record<string, unknown>>,
  known: readonly string[],
  context: z.RefinementCtx,
): void {
  const keys = Object.keys(value).filter((key) => !known.includes(key));
  if (keys.length > 0) context.addIssue({ code: 'unrecognized_keys', keys, input: { ...value } });
}

/** What kinds of tasks add to an object, with everything that is wrong told to `context`. @param none what nothing adds */
export function readOwn<T extends object>(
  value: Readonly<Record<string, unknown>>,
  own: readonly OwnKeys<T>[],
  context: z.RefinementCtx,
  none: T,
): T {
  let found = none;
  for (const { schema } of own) {
    const parsed = schema.safeParse(value);
    if (parsed.success) found = { ...found, ...parsed.data };
    for (const issue of parsed.error?.issues ?? []) {
      context.addIssue({ code: 'custom', message: faultOf(issue, schema, value), input: value });
    }
  }
  return found;
}
