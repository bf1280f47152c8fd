import { readFileSync } from 'node:fs';
import * as z from 'zod';
import { type AdapterPlan, adapterSize } from '../adapters/plan.js';
import { splitHash } from '../data/split.js';
import type { Split } from '../data/types.js';
import { countParameters, type Parameter } from '../engine/parameters.js';
import type { Model } from '../models/model.js';
import { runtimeVersion } from '../runtime/onnxNode.js';

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
  return {
    rows: split.examples.length,
    used,
    source: split.source,
    sha256: splitHash(split),
    labels: split.labelCounts,
  };
}

/** What run.json says of the trained tensors. */
export function parameterRecord(model: Model, plan: AdapterPlan, parameters: readonly Parameter[]) {
  const adapter = adapterSize(plan);
  const trainable = countParameters(parameters);
  const names = new Set(plan.replaced);
  const replaced = countParameters(parameters.filter(({ name }) => names.has(name)));
  const values = new Map(parameters.map((one) => [one.name, one.values]));
  return {
    trainable,
    adapter,
    /** Numbers of the adapter that are left at the end. */
    kept: plan.keptSize?.((name) => values.get(name)!) ?? adapter,
    /** Numbers of the base model that are trained themselves. */
    replaced,
    head: trainable - adapter - replaced,
    backbone: model.backboneParameters,
    adaptedModules: plan.placements.length,
    pairs: new Set(plan.placements.map(({ pair }) => pair)).size,
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
