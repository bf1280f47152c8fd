import { usageError } from '../errors.js';
import type { RunCommand } from './idle.js';
import { type AskedSettings, adapterMethodName, adapterMethodOf, searchedMethod, selectionMethodOf } from './schema.js';

/**
 * Settings that exclude each other, in the order in which they are looked for.
 * @param where what to blame in a message
 * @throws DiffoError (usage) that names them and says which to leave out
 */
export function refuseConflicts(asked: AskedSettings, where: string, command: RunCommand): void {
  const conflict = (command === 'select' ? conflictOfSelect(asked) : undefined) ?? conflictIn(asked);
  if (conflict !== undefined) throw usageError(`${where}: ${conflict}`);
}

function conflictOfSelect(asked: AskedSettings): string | undefined {
  if (adapterMethodName(asked) === searchedMethod) return undefined;
  return `where modules are chosen alone, it is for lora, and method is ${asked.method}. Leave method out.`;
}

function conflictIn(asked: AskedSettings): string | undefined {
  const { method, select, dam, adapter, start, parameters, budget, ranks, alphas, cachePrefix, dropout } = asked;
  if (asked.searchOrder === 'second' && (asked.searchTeam ?? 1) > 1) {
    return 'searchTeam moves one matrix by the gradients of several searches, each in the first order. Set searchTeam to 1, or searchOrder to first.';
  }
  if (asked.scoreOn === 'dev' && asked.validationLoss !== true) {
    return 'scoreOn dev leaves what validationShare holds out unread. Give validationLoss, or leave one of the two out.';
  }
  const { places, title, fit } = adapterMethodOf(asked);
  const ofModules = ranks === undefined ? 'alphas' : 'ranks';
  const hasOfModules = ranks !== undefined || alphas !== undefined;
  if (method === 'diffora' && select !== undefined && select !== 'diffora') {
    return `method diffora selects by itself, and select is ${select}. Take method lora with select ${select}.`;
  }
  if (places !== 'selected' && (select !== undefined || dam !== undefined)) {
    const what = select === undefined ? 'dam' : `select ${select}`;
    return `${what} decides where low-rank adapters go, and method ${method} (${title}) has no such choice.`;
  }
  if (dam !== undefined && select !== undefined) return 'dam and select exclude each other: both give the matrix.';
  if (adapter !== undefined && (select !== undefined || dam !== undefined)) {
    return 'adapter goes on from modules that are chosen already; select and dam choose them. Leave one out.';
  }
  if (parameters !== undefined && fit === undefined) {
    return `parameters solves for ranks or widths, and method ${method} (${title}) has none that could follow.`;
  }
  if (parameters !== undefined && hasOfModules) return `parameters solves for the ranks; leave ${ofModules} out.`;
  if (parameters !== undefined && select === 'uniform') {
    return 'select uniform solves for ranks itself. Take budget with it, or parameters without select.';
  }
  if (parameters !== undefined && budget !== undefined) {
    return 'budget chooses modules by what they take at the rank that is set, and parameters solves for another. Leave one out.';
  }
  if (select === 'uniform' && hasOfModules) {
    return `${ofModules} stand module by module, and select uniform solves for the ranks of all. Leave one out.`;
  }
  const priced = pricingConflict(asked);
  if (priced !== undefined) return priced;
  if (cachePrefix !== 'none' && dropout !== 0) {
    return 'cachePrefix keeps what frozen layers give, and dropout changes that at every step. Give dropout 0, or leave cachePrefix out.';
  }
  if (start !== 'search') return undefined;
  if (parameters !== undefined || hasOfModules) {
    const what = parameters === undefined ? ofModules : 'parameters';
    return `start search takes over pairs of the rank and alpha of the search, and ${what} changes them. Leave one out.`;
  }
  if (adapterMethodName(asked) !== searchedMethod) {
    return `start search takes over plain LoRA pairs of a search; method ${method} has none.`;
  }
  return undefined;
}

/** What modules cost is a question of how deep they lie, so that a choice must be free to leave out whole layers. */
function pricingConflict(asked: AskedSettings): string | undefined {
  const { price, maxStepTime, scope, share = selectionMethodOf(asked)?.share } = asked;
  const what = price === undefined ? 'maxStepTime' : 'price';
  if (price === undefined && maxStepTime === undefined) return undefined;
  if (price !== undefined && maxStepTime !== undefined) {
    return 'maxStepTime solves for the weight of a price of time, and price takes the weight as it is. Leave one out.';
  }
  if (scope !== 'global') {
    return `${what} spares the layers below the lowest that is adapted, and scope ${scope} adapts every layer. Take scope global.`;
  }
  if (share === 'column') {
    return `${what} spares the layers below the lowest that is adapted, and share column adapts every layer. Take share none.`;
  }
  return undefined;
}
