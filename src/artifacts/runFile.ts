import { join } from 'node:path';
import * as z from 'zod';
import { readJsonAs } from '../files/json.js';

/** JSON has no NaN, which an undefined correlation is. */
const score = z
  .number()
  .nullable()
  .transform((value) => value ?? Number.NaN);

/** What others may rely on in a run.json; other fields are kept but not looked at. */
const runFileSchema = z.looseObject({
  format: z.literal('diffora-run/1'),
  /** `demo`: of folders that a demo of version 0.1.0 left. */
  command: z.enum(['train', 'select', 'demo']),
  config: z.looseObject({ method: z.string(), seed: z.int() }),
  task: z.string(),
  model: z.looseObject({ name: z.string(), folder: z.string(), family: z.string() }),
  parameters: z.looseObject({ trainable: z.int(), adapter: z.int(), head: z.int(), backbone: z.int() }).optional(),
  scores: z.looseObject({ dev: z.record(z.string(), score) }).optional(),
  seconds: z.record(z.string(), z.number()),
  peakMemoryBytes: z.number(),
});
export type RunSummary = z.infer<typeof runFileSchema>;

/** Reads the run.json of a run folder. @throws DiffoError that names the file and the first thing wrong with it */
export function readRunFile(folder: string): Promise<RunSummary> {
  return readJsonAs(join(folder, 'run.json'), runFileSchema);
}
