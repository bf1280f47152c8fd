import type { SelectionMethod } from './method.js';
import { diffora } from './methods/diffora.js';
import { gradientNorm } from './methods/gradientNorm.js';
import { gramGreedy } from './methods/gramGreedy.js';
import { inverted } from './methods/inverted.js';
import { leaveOneOut } from './methods/leaveOneOut.js';
import { list } from './methods/list.js';
import { outputNorm } from './methods/outputNorm.js';
import { random } from './methods/random.js';
import { uniform } from './methods/uniform.js';

/** Every way to decide where adapters go: a file and a line here. */
export const selectionMethods = {
  diffora,
  uniform,
  random,
  inverted,
  'gradient-norm': gradientNorm,
  'output-norm': outputNorm,
  gram: gramGreedy,
  'leave-one-out': leaveOneOut,
  list,
} as const satisfies Record<string, SelectionMethod>;

/** Name of a way to decide where adapters go. */
export type SelectionName = keyof typeof selectionMethods;
export const selectionNames = Object.keys(selectionMethods) as SelectionName[];
