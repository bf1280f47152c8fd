import { existsSync } from 'node:fs';
import { join } from 'node:path';
import * as z from 'zod';
import { type KnownRows, readKnownRows } from '../data/knownRows.js';
import { writeFileAtomic } from '../files/atomic.js';
import { readJsonAs } from '../files/json.js';

/** Beside an adapter: hashes of the rows that it was trained on, so that it is not scored on them unawares. */
const file = 'trained_rows.json';

const schema = z.strictObject({
  format: z.literal('diffora-rows/1'),
  rows: z.string().transform((text, context): KnownRows => {
    const rows = readKnownRows(text);
    if (rows !== undefined) return rows;
    context.addIssue({ code: 'custom', message: 'they are no base64 of hashes of five bytes' });
    return z.NEVER;
  }),
});

export function writeTrainedRows(folder: string, rows: KnownRows): Promise<void> {
  return writeFileAtomic(join(folder, file), `${JSON.stringify({ format: 'diffora-rows/1', rows: String(rows) })}\n`);
}

/** The rows that an adapter was trained on; undefined where its folder does not say. @throws DiffoError for a broken file */
export async function readTrainedRows(folder: string): Promise<KnownRows | undefined> {
  const path = join(folder, file);
  return existsSync(path) ? (await readJsonAs(path, schema)).rows : undefined;
}
