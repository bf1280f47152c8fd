import { lowestRank, trainedSize } from '../adapters/fit.js';
import { type AdapterPlan, isNamed, type Where } from '../adapters/plan.js';
import { withSavedModules } from '../adapters/savedModules.js';
import { adapterParameters, headParameters, type Parameter } from '../engine/parameters.js';
import type { AdaptableModule, Model } from '../models/model.js';
import { type Sharing, splitByGamma } from '../selection/dam.js';
import type { Gamma } from '../selection/discretise.js';
import { matchTargets } from '../selection/targets.js';
import { adapterMethodOf, type MethodConfig } from '../settings/config.js';

/** What was chosen of the modules that may be adapted. */
export interface Choice {
  readonly gamma: Gamma;
  /** What the modules get that are not kept. */
  readonly share: Sharing;
  /** Ranks by module path, where the budget is held by them. */
  readonly ranks?: Readonly<Record<string, number>> | undefined;
}

/** What a run trains, and where: what a matrix keeps (stage 3 of DiffoRA), or the targets. */
export function planRun(model: Model, settings: MethodConfig, choice: Choice | undefined): AdapterPlan {
  const { places, plan: planned, fit } = adapterMethodOf(settings);
  const plan: typeof planned = (...of) => withSavedModules(planned(...of), model, settings.saveModules ?? []);
  const where = places === 'itself' ? { own: [], shared: [] } : whereOf(model, settings.targets, choice);
  const chosen = choice === undefined ? settings : { ...settings, ...ranksOf(settings, where, choice) };
  if (settings.parameters === undefined) return plan(chosen, where, model);
  return plan({ ...chosen, ...fit!(chosen, where, model, settings.parameters) }, where, model);
}

/** A plan on all targets at the rank that is set: what is wrong with it is known before modules are chosen. */
export function planOnTargets(model: Model, settings: MethodConfig): AdapterPlan {
  return planRun(model, { ...settings, parameters: undefined }, undefined);
}

/** Trainable numbers, head apart, of a choice at rank 1: the least that `parameters` may be with it. */
export function leastSize(model: Model, settings: MethodConfig, choice: Choice): number {
  const { plan } = adapterMethodOf(settings);
  return trainedSize(plan({ ...settings, ...lowestRank }, whereOf(model, settings.targets, choice), model), model);
}

function whereOf(model: Model, targets: readonly string[], choice: Choice | undefined): Where {
  if (choice === undefined) return { own: matchTargets(model, targets), shared: [] };
  const { kept, rest } = splitByGamma(model, choice.gamma);
  return { own: kept, shared: choice.share === 'column' ? rest : [] };
}

/**
 * Ranks and alphas module by module: those of the choice, alpha / rank as it was; else those of the settings that name a
 * module which is adapted. (That every name is that of a module which may be chosen is checked before the choice.)
 */
function ranksOf(
  { rank, alpha, ranks, alphas }: Pick<MethodConfig, 'rank' | 'alpha' | 'ranks' | 'alphas'>,
  { own, shared }: Where,
  choice: Choice,
): Pick<MethodConfig, 'ranks' | 'alphas'> {
  if (choice.ranks === undefined) {
    const adapted = [...own, ...shared];
    return { ranks: namedOf(ranks, adapted), alphas: namedOf(alphas, adapted) };
  }
  const ofRank = Object.entries(choice.ranks).map(([path, one]) => [path, (alpha * one) / rank]);
  return { ranks: choice.ranks, alphas: Object.fromEntries(ofRank) };
}

function namedOf(
  patterns: Readonly<Record<string, number>> | undefined,
  modules: readonly AdaptableModule[],
): Record<string, number> | undefined {
  if (patterns === undefined) return undefined;
  return Object.fromEntries(
    Object.entries(patterns).filter(([name]) => modules.some(({ path }) => isNamed(path, name))),
  );
}

/**
 * The tensors of a run, freshly initialised, or where a search left them. (Shared pairs have no counterpart in the search
 * and always start fresh.)
 * @param trained what the search left; none for a fresh start
 */
export async function startingParameters(
  model: Model,
  plan: AdapterPlan,
  seed: number,
  trained: readonly Parameter[] = [],
): Promise<Parameter[]> {
  const fresh = [...(await adapterParameters(plan, model, seed)), ...(await headParameters(model, seed))];
  const found = new Map(trained.map((one) => [one.name, one]));
  for (const { name, values } of fresh) {
    const left = found.get(name);
    if (left !== undefined) values.set(left.values);
  }
  return fresh;
}
