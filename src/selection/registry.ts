import { joinShapes } from '../shapes.js';
import type { SelectionMethod } from './method.js';
import { diffora } from './methods/diffora.js';
import { fisher } from './methods/fisher.js';
import { gradientNorm } from './methods/gradientNorm.js';
import { gramGreedy } from './methods/gramGreedy.js';
import { inverted } from './methods/inverted.js';
import { layerGradientNorm } from './methods/layerGradientNorm.js';
import { leaveOneOut } from './methods/leaveOneOut.js';
import { list } from './methods/list.js';
import { outputNorm } from './methods/outputNorm.js';
import { page } from './methods/page.js';
import { plop } from './methods/plop.js';
import { random } from './methods/random.js';
import { topLayers } from './methods/topLayers.js';
import { uniform } from './methods/uniform.js';

/** Every way to decide where adapters go: a file and a line here. */
const methods = {
  diffora,
  uniform,
  random,
  inverted,
  'top-layers': topLayers,
  'gradient-norm': gradientNorm,
  'layer-gradient-norm': layerGradientNorm,
  page,
  fisher,
  plop,
  'output-norm': outputNorm,
  gram: gramGreedy,
  'leave-one-out': leaveOneOut,
  list,
};

/** Name of a way to decide where adapters go. */
export type SelectionName = keyof typeof methods;
type Settings = (typeof methods)[SelectionName]['settings'];

/** Every way to decide where adapters go, by name. */
export const selectionMethods: Readonly<Record<SelectionName, SelectionMethod>> = methods;
export const selectionNames = Object.keys(methods) as SelectionName[];

const shapes: Readonly<Record<string, Settings>> = Object.fromEntries(
  Object.entries(methods).map(([name, { settings }]) => [name, settings]),
);

/** The schema of every setting that only some of them read, by name. */
export const selectionMethodSettings = joinShapes(shapes);

/** Name of a setting that only some selection methods read. */
export type SelectionSettingName = keyof typeof selectionMethodSettings;
