import { readFile, stat } from 'node:fs/promises';
import type * as z from 'zod';
import { DiffoError } from '../errors.js';
import { fileError } from './errors.js';
import { firstFault } from './faults.js';
import { isJsonObject, parseJson } from './jsonText.js';

/** Larger than any config or tensor index; a limit so that a wrong path cannot fill the memory. */
const LIMIT_BYTES = 64 * 1024 * 1024;

/** The text of a file that is no data. @throws DiffoError that names it where it cannot be read or is too large */
export async function readSettingsText(path: string): Promise<string> {
  try {
    const { size } = await stat(path);
    if (size > LIMIT_BYTES) throw new DiffoError(`${path} has ${size} bytes, too many for a file of settings.`);
    return await readFile(path, 'utf8');
  } catch (error) {
    throw fileError(error, path, 'read');
  }
}

/**
 * Reads a JSON file whose top level is an object.
 *
 * @throws DiffoError that names the file where it cannot be read, is no JSON, or is no object
 */
export async function readJsonObject(path: string): Promise<Record<string, unknown>> {
  const text = await readSettingsText(path);
  const value = parseJson(text, (reason) => `${path} is not valid JSON (${reason}). Mend it or fetch it again.`);
  if (!isJsonObject(value)) throw new DiffoError(`${path} must hold a JSON object ({…}) at its top level.`);
  return value;
}

/**
 * Reads a JSON file of a known form.
 *
 * @throws DiffoError that names the file, the first key that is wrong, and what is wrong with it
 */
export async function readJsonAs<T>(path: string, schema: z.ZodType<T>): Promise<T> {
  const value = await readJsonObject(path);
  const parsed = schema.safeParse(value);
  if (parsed.success) return parsed.data;
  throw new DiffoError(`${path}: ${firstFault(parsed.error, schema, value)}.`);
}
