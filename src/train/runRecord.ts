import { readFileSync } from 'node:fs';
import * as z from 'zod';
import type { AdapterPlan } from '../adapters/plan.js';
import { pairParameters } from '../adapters/plan.js';
import type { Split } from '../data/types.js';
import type { Model } from '../models/model.js';
import { countParameters, type Parameter } from '../optimize/parameters.js';
import { runtimeVersion } from '../runtime/session.js';

const packageSchema = z.object({ version: z.string() });

/** Versions that a run's bits may depend on. */
export function versions(): Record<string, string> {
  const manifest = packageSchema.parse(
    JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8')),
  );
  return {
    diffora: manifest.version,
    node: process.versions.node,
    'onnxruntime-node': runtimeVersion,
    platform: `${process.platform}-${process.arch}`,
  };
}

/** What run.json says of a split. */
export function splitRecord(split: Split, used: number) {
  return { rows: split.examples.length, used, source: split.source, sha256: split.hash, labels: split.labelCounts };
}

/** What run.json says of the trained tensors. */
export function parameterRecord(model: Model, plan: AdapterPlan, parameters: readonly Parameter[]) {
  const adapter = pairParameters(plan);
  const trainable = countParameters(parameters);
  return {
    trainable,
    adapter,
    head: trainable - adapter,
    backbone: model.backboneParameters,
    adaptedModules: plan.placements.length,
    pairs: plan.pairs.length,
  };
}

/** Peak resident memory of this process in bytes. */
export function peakMemory(): number {
  return process.resourceUsage().maxRSS * 1024;
}

/** Seconds since `start` (performance.now()), to the millisecond. */
export function secondsSince(start: number): number {
  return Math.round(performance.now() - start) / 1000;
}
