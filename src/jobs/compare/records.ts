import { appendFile, readFile } from 'node:fs/promises';
import * as z from 'zod';
import { DiffoError } from '../../errors.js';
import { errorCode, fileError } from '../../files/errors.js';
import { firstFault } from '../../files/faults.js';
import { parseJson } from '../../files/jsonText.js';

const matrix = z.array(z.array(z.number()));
/** JSON has no NaN, which an undefined correlation is. */
const score = z.number().nullable();

/** One run of a comparison, or one trial of a learning rate; a line of records.jsonl. */
const recordSchema = z.looseObject({
  format: z.literal('diffora-compare/1'),
  kind: z.enum(['trial', 'run']),
  /** Hash of configuration, data and code. */
  key: z.string(),
  model: z.string(),
  task: z.string(),
  method: z.string(),
  /** Trainable numbers that it was to have; left out of a method that has the size it has. */
  budget: z.int().optional(),
  seed: z.int(),
  lr: z.number(),
  /** What else was drawn for it (tune). */
  settings: z.record(z.string(), z.unknown()).optional(),
  /** Of a trial that is shorter than a run: its length as a share of one. */
  share: z.number().optional(),
  status: z.enum(['done', 'failed']),
  error: z.string().optional(),
  /** Of the dev split; for a trial of the held-out training examples. */
  scores: z.record(z.string(), score).optional(),
  /** Of a trial: the first metric of the best answer that is the same for all examples, where it is known. */
  constant: z.number().optional(),
  /** Mean loss of the held-out training examples, and what each adds to it: its loss times its weight, and its weight. */
  validation: z.looseObject({ loss: z.number(), examples: z.array(z.tuple([z.number(), z.number()])) }).optional(),
  /** Trained numbers: all, the adapter's, those of it that are left at the end, the backbone's, the head's. */
  parameters: z
    .looseObject({ trainable: z.int(), adapter: z.int(), kept: z.int(), replaced: z.int(), head: z.int() })
    .optional(),
  ranks: z.record(z.string(), z.int()).optional(),
  steps: z.object({ search: z.int(), train: z.int(), skipped: z.int().optional() }).optional(),
  seconds: z.record(z.string(), z.number()).optional(),
  peakMemoryBytes: z.number().optional(),
  adapterBytes: z.number().optional(),
  threads: z.int().optional(),
  versions: z.record(z.string(), z.string()).optional(),
  code: z.string(),
  data: z.record(z.string(), z.string()),
  dam: z
    .object({
      modules: z.array(z.string()),
      gamma: matrix,
      values: matrix,
      rows: z.array(z.string()).optional(),
      there: matrix.optional(),
    })
    .optional(),
  /** [step, mean training loss of the steps up to it] */
  curve: z.array(z.tuple([z.number(), z.number()])).optional(),
  /** Class or score for each example of the dev split. */
  predicted: z.array(z.number()).optional(),
  /** In the place of `predicted`: what each example adds to the first metric (src/metrics/text/sums.ts). */
  statistics: z.array(z.array(z.number())).optional(),
});
export type CompareRecord = z.output<typeof recordSchema>;

/**
 * Reads the records of an earlier start. A last line that was cut off when the process was killed is left out, with a
 * warning; its run is repeated.
 * @throws DiffoError that names file and line
 */
export async function readRecords(path: string, warn: (message: string) => void): Promise<CompareRecord[]> {
  let text: string;
  try {
    text = await readFile(path, 'utf8');
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return [];
    throw fileError(error, path, 'read');
  }
  const lines = text.split('\n');
  const last = lines.pop()!;
  if (last !== '') warn(`${path}: the last line is cut off and left out; its run is repeated`);
  return lines.flatMap((line, i) => (line === '' ? [] : [parseRecord(line, `${path}, line ${i + 1}`)]));
}

function parseRecord(line: string, where: string): CompareRecord {
  const value = parseJson(
    line,
    (reason) => `${where} is not valid JSON (${reason}). Remove the line; its run is repeated.`,
  );
  const parsed = recordSchema.safeParse(value);
  if (parsed.success) return parsed.data;
  const fault = firstFault(parsed.error, recordSchema, value, 'the record');
  throw new DiffoError(`${where}: ${fault}. Remove the line; its run is repeated.`);
}

/** Adds a record; a line that was cut off before it is ended first. */
export async function appendRecord(path: string, record: CompareRecord): Promise<void> {
  try {
    const text = await readFile(path, 'utf8').catch(() => '');
    const start = text === '' || text.endsWith('\n') ? '' : '\n';
    await appendFile(path, `${start}${JSON.stringify(record)}\n`, { flush: true });
  } catch (error) {
    throw fileError(error, path, 'write');
  }
}
