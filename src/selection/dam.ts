import * as z from 'zod';
import { DiffoError } from '../errors.js';
import { readJsonAs } from '../files/json.js';
import type { AdaptableModule, Model } from '../models/model.js';
import { scopes } from './discretise.js';
import { relaxations } from './relax.js';

/** What becomes of modules that are not kept: nothing, or one pair for each column. */
export const sharings = ['none', 'column'] as const;
export type Sharing = (typeof sharings)[number];

const ratio = z.number();
const matrix = z.array(z.array(ratio));

/** dam.json: the Differential Adaptation Matrix with all that it came from (docs/formats.md). */
export const damSchema = z.strictObject({
  format: z.literal('diffora-dam/1'),
  /** Number of rows. */
  layers: z.int().positive(),
  /** Column names, in the order of computation. */
  modules: z.array(z.string()),
  /** Γ: 1 where the module gets a low-rank pair of its own. */
  gamma: z.array(z.array(z.union([z.literal(0), z.literal(1)]))),
  /** Γ̄ = f(logits). */
  relaxed: matrix,
  logits: matrix,
  /** The selection ratio ρ. */
  keep: ratio,
  relax: z.enum(relaxations),
  scope: z.enum(scopes),
  share: z.enum(sharings),
  seed: z.int(),
  search: z.strictObject({
    steps: z.int().nonnegative(),
    learningRate: ratio,
    damLearningRate: ratio,
    batchSize: z.int(),
    trainExamples: z.int(),
    validationExamples: z.int(),
    /** One record for every step. */
    history: z.array(
      z.strictObject({ step: z.int(), validationLoss: ratio, trainLoss: ratio, entropy: ratio, spread: ratio }),
    ),
  }),
  /** The base model and the task that it was learned on. */
  model: z.string(),
  task: z.string(),
});

export type Dam = z.infer<typeof damSchema>;

/** Reads a dam.json. @throws DiffoError that names the file and the first thing wrong with it */
export async function readDam(file: string): Promise<Dam> {
  const dam = await readJsonAs(file, damSchema);
  const { layers, modules } = dam;
  for (const key of ['gamma', 'relaxed', 'logits'] as const) {
    if (dam[key].length !== layers || dam[key].some((row) => row.length !== modules.length)) {
      throw new DiffoError(`${file}: ${key} is not ${layers} rows of ${modules.length}.`);
    }
  }
  return dam;
}

/** The modules that Γ keeps, and the rest, in the model's order. */
export function splitByGamma(model: Model, gamma: readonly (readonly number[])[]) {
  const kept: AdaptableModule[] = [];
  const rest: AdaptableModule[] = [];
  for (const module of model.adaptable) {
    const column = model.modules.indexOf(module.module);
    (gamma[module.layer]![column] === 1 ? kept : rest).push(module);
  }
  return { kept, rest };
}
