import { cola } from './cola.js';
import { mrpc } from './mrpc.js';
import { rte } from './rte.js';
import { spam } from './spam.js';
import { sst2 } from './sst2.js';
import { stsb } from './stsb.js';
import type { TaskFactory } from './task.js';

/** The known tasks by name. */
export const TASKS: ReadonlyMap<string, TaskFactory> = new Map([
  ['cola', cola],
  ['mrpc', mrpc],
  ['rte', rte],
  ['spam', spam],
  ['sst2', sst2],
  ['stsb', stsb],
]);
