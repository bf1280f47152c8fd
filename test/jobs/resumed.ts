import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect } from 'vitest';
import type { RunOptions } from '../../src/jobs/savedRun.js';
import { train } from '../../src/jobs/train.js';
import { type Reporter, silent } from '../../src/reporter.js';
import { parseTrainConfig, type TrainConfig, type TrainConfigInput } from '../../src/settings/config.js';
import { tinyModel } from '../cli/run.js';

/** A quick run as a configuration; see `quickRun`. */
export function quickConfig(task: string, change: Partial<TrainConfigInput>): TrainConfig {
  const quick = { model: tinyModel, textColumn: 'review', labelColumn: 'stars', rank: 2, epochs: 2, batchSize: 8 };
  return parseTrainConfig({ ...quick, maxLength: 16, threads: 1, searchSteps: 5, task, ...change }, 'test');
}

/** Where a run is stopped: after so many units of a phase (`train`, `search`, `joint run`, `evaluate`). */
export type Stop = readonly [phase: string, done: number];

/** Tells when a phase has come so far. */
export function stopwatch([phase, at]: Stop, reached: () => void): Reporter {
  return {
    ...silent,
    phase: (name) => ({
      update: (done) => {
        if (name === phase && done === at) reached();
      },
      end: () => {},
    }),
  };
}

/** Trains until `stop` as Ctrl-C would have it. @throws what the run throws then */
export async function trainUntil(stop: Stop, options: Omit<RunOptions, 'reporter' | 'signal'>): Promise<void> {
  const controller = new AbortController();
  const reporter = stopwatch(stop, () => controller.abort(new Error('stopped')));
  await expect(train({ ...options, reporter, signal: controller.signal })).rejects.toThrow('stopped');
}

/** Trains with breaks and resumes after each. */
export async function trainInParts(config: TrainConfig, output: string, stops: readonly Stop[]): Promise<void> {
  for (const [i, stop] of stops.entries()) await trainUntil(stop, { config, output, resume: i > 0 });
  await train({ config, output, resume: true, reporter: silent });
}

/** The bytes of a run that must not depend on breaks: adapter, metrics, matrix and scores. */
export async function bytesOf(output: string): Promise<Record<string, string>> {
  const hex = (path: string) =>
    readFile(join(output, path), 'latin1').catch((error) => (error.code === 'ENOENT' ? '' : Promise.reject(error)));
  const record = JSON.parse(await hex('run.json'));
  return {
    adapter: await hex('adapter/adapter_model.safetensors'),
    config: (await hex('adapter/adapter_config.json')) || (await hex('adapter/diffora_adapter.json')),
    metrics: await hex('metrics.jsonl'),
    dam: await hex('dam.json'),
    scores: JSON.stringify([record.scores, record.steps, record.parameters]),
  };
}
