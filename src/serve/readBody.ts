import { isDeepStrictEqual } from 'node:util';
import * as z from 'zod';
import { firstFault, tellingIssue } from '../files/faults.js';
import { isDeeper } from '../files/jsonText.js';
import { badRequest } from './apiError.js';

/** More than any request needs; what is deeper could exhaust the stack. */
const deepest = 100;

/**
 * A request's body in the form of a schema.
 * @throws ApiError (400) that names the first field that is wrong
 */
export function readBody<T>(body: unknown, schema: z.ZodType<T>): T {
  if (isDeeper(body, deepest)) throw badRequest(`The body is nested more than ${deepest} deep.`);
  const parsed = schema.safeParse(body);
  if (parsed.success) return parsed.data;
  const issue = tellingIssue(parsed.error);
  const param = issue.code === 'unrecognized_keys' ? issue.keys[0] : issue.path[0];
  throw badRequest(
    `${firstFault(parsed.error, schema, body, 'The request')}.`,
    param === undefined ? undefined : String(param),
  );
}

/** A field that others offer and this server does not: only what changes nothing is taken. */
export function only(...neutral: readonly unknown[]) {
  const shown = neutral.map((value) => JSON.stringify(value)).join(' or ');
  return z
    .unknown()
    .optional()
    .refine((value) => [undefined, null, ...neutral].some((one) => isDeepStrictEqual(one, value)), {
      error: neutral.length === 0 ? 'not offered here; leave it out' : `only ${shown} is offered here`,
    });
}

/** Fields of OpenAI's that change nothing of an answer. */
export const withoutEffect = {
  user: z.unknown().optional(),
  metadata: z.unknown().optional(),
  store: z.unknown().optional(),
  service_tier: z.unknown().optional(),
  safety_identifier: z.unknown().optional(),
  prompt_cache_key: z.unknown().optional(),
  prompt_cache_retention: z.unknown().optional(),
};
