import { nearestNames, usageError } from '../errors.js';
import type { Model } from '../models/model.js';
import { type AdapterPlan, isNamed } from './plan.js';

/**
 * A plan that also trains modules of the backbone as wholes, as PEFT's `modules_to_save` has it: they are saved with the
 * adapter. Embeddings and a tied output each go their own way once one of them is trained.
 * @param names paths of modules, or their ends
 * @throws DiffoError (usage) for a name of no module, or of one that is trained already
 */
export function withSavedModules(plan: AdapterPlan, model: Model, names: readonly string[]): AdapterPlan {
  if (names.length === 0) return plan;
  const all = [...model.backbone.keys(), ...model.tied.keys()];
  const paths = [...new Set(names.flatMap((name) => modulesNamed(name, all, model)))];
  const savedModules = paths.filter((path) => !paths.some((other) => other !== path && isInside(path, other)));
  const adapted = plan.placements.find(({ module }) => savedModules.some((path) => isInside(module.path, path)));
  if (adapted !== undefined) {
    throw usageError(
      `--save-modules: ${adapted.module.path} is adapted already. Leave it out, or take it out of --targets.`,
    );
  }
  const tensors = all.filter((name) => savedModules.some((path) => isInside(name, path)));
  return {
    ...plan,
    replaced: [...new Set([...plan.replaced, ...tensors])],
    savedModules,
    untied: unties(tensors, model),
  };
}

/** True where tensors that are trained are those of a tied output, or of the embeddings that it is tied to. */
export function unties(tensors: readonly string[], { tied }: Pick<Model, 'tied'>): boolean {
  return [...tied].some(([output, of]) => tensors.includes(output) || tensors.includes(of));
}

/** True for a path or name that is `module` or stands in it. */
export function isInside(path: string, module: string): boolean {
  return path === module || path.startsWith(`${module}.`);
}

function modulesNamed(name: string, tensors: readonly string[], model: Model): string[] {
  const modules = [...new Set(tensors.flatMap(modulesAround))];
  const found = modules.filter((path) => isNamed(path, name));
  if (found.length > 0) return found;
  if (model.head.some((one) => modulesAround(one.name).some((path) => isNamed(path, name)))) {
    throw usageError(`--save-modules ${name}: it is part of the head, which is trained anyway. Leave it out.`);
  }
  const ends = [...new Set(modules.map((path) => path.slice(path.lastIndexOf('.') + 1)))];
  const nearest = nearestNames(
    name,
    ends.filter((end) => !/^\d+$/.test(end)),
  ).join(', ');
  throw usageError(`--save-modules ${name}: ${model.checkpoint.name} has no such module; nearest: ${nearest}.`);
}

/** The modules that a tensor stands in, from the outermost. */
export function modulesAround(tensor: string): string[] {
  const parts = tensor.split('.').slice(0, -1);
  return parts.map((_, i) => parts.slice(0, i + 1).join('.'));
}
