import { readFile, stat } from 'node:fs/promises';
import type * as z from 'zod';
import { DiffoError } from '../errors.js';
import { fileError } from './errors.js';

/** Larger than any config or tensor index; a limit so that a wrong path cannot fill the memory. */
const LIMIT_BYTES = 64 * 1024 * 1024;

/**
 * Reads a JSON file whose top level is an object.
 *
 * @throws DiffoError that names the file where it cannot be read, is no JSON, or is no object
 */
export async function readJsonObject(path: string): Promise<Record<string, unknown>> {
  let text: string;
  try {
    const { size } = await stat(path);
    if (size > LIMIT_BYTES) throw new DiffoError(`${path} has ${size} bytes, too many for a JSON file of settings.`);
    text = await readFile(path, 'utf8');
  } catch (error) {
    throw fileError(error, path, 'read');
  }
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new DiffoError(`${path} is not valid JSON (${reason}). Mend it or fetch it again.`, { cause: error });
  }
  if (!isJsonObject(value)) throw new DiffoError(`${path} must hold a JSON object ({…}) at its top level.`);
  return value;
}

/**
 * Reads a JSON file of a known form.
 *
 * @throws DiffoError that names the file, the first key that is wrong, and what is wrong with it
 */
export async function readJsonAs<T>(path: string, schema: z.ZodType<T>): Promise<T> {
  const parsed = schema.safeParse(await readJsonObject(path));
  if (parsed.success) return parsed.data;
  const issue = parsed.error.issues[0]!;
  throw new DiffoError(`${path}: ${issue.path.join('.') || 'top level'}: ${issue.message}.`);
}

/** True for a parsed JSON object: not null, not a list. */
export function isJsonObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
