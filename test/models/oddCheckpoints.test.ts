import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { DiffoError } from '../../src/errors.js';
import { oraclePath } from '../fixtures.js';
import { nightly } from '../nightly.js';
import { REPOSITORY } from '../shared.js';
import { differenceOf, type OddCase, oddTolerance, openOddCheckpoint, writeOddCheckpoint } from './oddCheckpoint.js';

/** A Python with the packages of test/oracle/requirements.txt: the nightly form makes its own cases with it. */
const python = process.env.DIFFORA_ORACLE_PYTHON;
const isLong = nightly && python !== undefined;
const seed = Number(process.env.DIFFORA_SEED ?? 1);
const count = Number(process.env.DIFFORA_ODD_CHECKPOINTS ?? 400);

interface Outcome {
  readonly one: OddCase;
  readonly refusal?: string;
  readonly difference?: number;
  readonly defect?: unknown;
}

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'diffora-odd-'));
});
afterAll(() => rm(folder, { recursive: true }));

async function readCases(): Promise<OddCase[]> {
  let file = oraclePath('odd-checkpoints.json');
  if (isLong) {
    file = join(folder, 'cases.json');
    const script = join(REPOSITORY, 'test/oracle/odd_checkpoints.py');
    const flags = ['--seed', String(seed), '--count', String(count), '--output', file];
    await promisify(execFile)(python, [script, ...flags], { maxBuffer: 1 << 28 });
  }
  return (JSON.parse(await readFile(file, 'utf8')) as { cases: OddCase[] }).cases;
}

async function outcomeOf(one: OddCase, index: number): Promise<Outcome> {
  const path = await writeOddCheckpoint(join(folder, String(index)), one);
  try {
    return { one, difference: await differenceOf(await openOddCheckpoint(path, one), one) };
  } catch (error) {
    return error instanceof DiffoError ? { one, refusal: error.message.replace(path, '') } : { one, defect: error };
  } finally {
    await rm(path, { recursive: true });
  }
}

const shown = ({ one, difference, refusal, defect }: Outcome) => ({
  model: `${one.modelType} ${one.taskType} ${one.form} ${one.seed}`,
  changed: Object.fromEntries(one.changed.map((key) => [key, one.config[key]])),
  difference,
  refusal,
  defect,
});

describe(`${isLong ? count : 60} odd checkpoints that transformers reads`, () => {
  let outcomes: Outcome[];
  beforeAll(async () => {
    outcomes = [];
    for (const [index, one] of (await readCases()).entries()) outcomes.push(await outcomeOf(one, index));
    const refused = outcomes.filter(({ refusal }) => refusal !== undefined);
    const equal = outcomes.filter(({ difference = 1 }) => difference <= oddTolerance);
    const worst = Math.max(...equal.map(({ difference }) => difference!));
    process.stdout.write(
      `odd checkpoints: ${outcomes.length}, read and equal ${equal.length} (largest difference ${worst.toExponential(1)}), refused ${refused.length}\n`,
    );
    if (isLong) for (const { refusal } of refused) process.stdout.write(`  ${refusal}\n`);
  }, 3_600_000);

  it('are none of them read as something else', () => {
    const wrong = outcomes.filter(({ difference = 0, defect }) => defect !== undefined || difference > oddTolerance);
    expect(wrong.map(shown)).toEqual([]);
  });

  it('are refused by a key that is not as usual, or not at all', () => {
    const refused = outcomes.filter(({ refusal }) => refusal !== undefined);
    const unnamed = refused.filter(
      ({ one, refusal }) => !Object.keys(one.config).some((key) => new RegExp(`\\b${key}\\b`).test(refusal!)),
    );
    expect(unnamed.map(shown)).toEqual([]);
  });

  it('are read more often than refused', () => {
    const read = outcomes.filter(({ refusal }) => refusal === undefined);
    expect(read.length).toBeGreaterThan(outcomes.length / 2);
  });
});
