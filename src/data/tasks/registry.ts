import { cola } from './cola.js';
import { mnli, mnliMismatched } from './mnli.js';
import { mrpc } from './mrpc.js';
import { qnli } from './qnli.js';
import { qqp } from './qqp.js';
import { rte } from './rte.js';
import { spam } from './spam.js';
import { squad, squad2, xquad } from './squad.js';
import { sst2 } from './sst2.js';
import { stsb } from './stsb.js';
import type { TaskFactory } from './task.js';
import { wnli } from './wnli.js';

/** The known tasks by name. */
export const TASKS: ReadonlyMap<string, TaskFactory> = new Map([
  ['cola', cola],
  ['mnli', mnli],
  ['mnlimm', mnliMismatched],
  ['mrpc', mrpc],
  ['qnli', qnli],
  ['qqp', qqp],
  ['rte', rte],
  ['spam', spam],
  ['squad', squad],
  ['squad2', squad2],
  ['sst2', sst2],
  ['stsb', stsb],
  ['wnli', wnli],
  ['xquad', xquad],
]);
