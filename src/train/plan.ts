import { type AdapterPlan, planAdapters } from '../adapters/plan.js';
import type { Model } from '../models/model.js';
import { adapterParameters, headParameters, type Parameter } from '../optimize/parameters.js';
import { splitByGamma } from '../selection/dam.js';
import { matchTargets } from '../selection/targets.js';
import { alphaOf, type TrainConfig } from './config.js';
import type { Selection } from './select.js';

/** Where the adapters of a run go: nowhere, on the targets, or where the matrix says (stage 3 of DiffoRA). */
export function planRun(model: Model, config: TrainConfig, selection: Selection | undefined): AdapterPlan {
  const options = { rank: config.rank, alpha: alphaOf(config) };
  if (config.method === 'head') return planAdapters(options, []);
  if (selection === undefined) return planAdapters(options, matchTargets(model, config.targets));
  const { kept, rest } = splitByGamma(model, selection.dam.gamma);
  return planAdapters(options, kept, config.share === 'column' ? rest : []);
}

/**
 * The trainable tensors of a run, freshly initialised, or with `start: search` where the search left them. (Shared
 * pairs have no counterpart in the search and always start fresh.)
 */
export async function startingParameters(
  model: Model,
  plan: AdapterPlan,
  config: TrainConfig,
  selection: Selection | undefined,
): Promise<Parameter[]> {
  const fresh = [...adapterParameters(plan, config.seed), ...(await headParameters(model.head, config.seed))];
  if (config.start === 'search') {
    const searched = new Map(selection?.searched.map((one) => [one.name, one]));
    for (const { name, values } of fresh) {
      const found = searched.get(name);
      if (found !== undefined) values.set(found.values);
    }
  }
  return fresh;
}
