import type { AdapterPlan, Where } from '../adapters/plan.js';
import type { AdapterMethod } from '../adapters/registry.js';
import { adapterParameters, headParameters, type Parameter } from '../engine/parameters.js';
import { usageError } from '../errors.js';
import type { Model } from '../models/model.js';
import { splitByGamma } from '../selection/dam.js';
import { matchTargets } from '../selection/targets.js';
import { adapterMethodOf, type TrainConfig } from '../settings/config.js';
import type { Selection } from './selectModules.js';

/** What a run trains, and where: what the matrix keeps (stage 3 of DiffoRA), or the targets. */
export function planRun(model: Model, config: TrainConfig, selection: Selection | undefined): AdapterPlan {
  const { places, plan, fit }: AdapterMethod = adapterMethodOf(config);
  const where = places === 'itself' ? { own: [], shared: [] } : whereOf(model, config, selection);
  const settings = withRanks(config, selection?.ranks);
  if (config.parameters === undefined) return plan(settings, where, model);
  return plan({ ...settings, ...fit!(settings, where, model, config.parameters) }, where, model);
}

function whereOf(model: Model, config: TrainConfig, selection: Selection | undefined): Where {
  if (selection === undefined) return { own: matchTargets(model, config.targets), shared: [] };
  const { kept, rest } = splitByGamma(model, selection.dam.gamma);
  return { own: kept, shared: config.share === 'column' ? rest : [] };
}

/** Other ranks, alpha / rank as it was. @throws DiffoError (usage) when the run sets ranks itself */
function withRanks(config: TrainConfig, ranks: Readonly<Record<string, number>> | undefined): TrainConfig {
  if (ranks === undefined) return config;
  if (config.ranks !== undefined) {
    throw usageError('--ranks sets ranks module by module, and so does --select uniform. Leave one out.');
  }
  const alphas = Object.entries(ranks).map(([path, rank]) => [path, (config.alpha * rank) / config.rank]);
  return { ...config, ranks, alphas: Object.fromEntries(alphas) };
}

/**
 * The tensors of a run, freshly initialised, or with `start: search` where the search left them. (Shared pairs have no
 * counterpart in the search and always start fresh.)
 */
export async function startingParameters(
  model: Model,
  plan: AdapterPlan,
  config: TrainConfig,
  selection: Selection | undefined,
): Promise<Parameter[]> {
  const fresh = [
    ...(await adapterParameters(plan, model, config.seed)),
    ...(await headParameters(model.head, config.seed)),
  ];
  if (config.start === 'search') {
    const trained = new Map(selection?.trained.map((one) => [one.name, one]));
    for (const { name, values } of fresh) {
      const found = trained.get(name);
      if (found !== undefined) values.set(found.values);
    }
  }
  return fresh;
}
