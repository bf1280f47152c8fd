import type { TaskFactory } from '../taskOptions.js';
import { arcChallenge, arcEasy } from './arc.js';
import { boolq } from './boolq.js';
import { cola } from './cola.js';
import { e2e } from './e2e.js';
import { gsm8k } from './gsm8k.js';
import { hellaswag } from './hellaswag.js';
import { mnli, mnliMismatched } from './mnli.js';
import { mrpc } from './mrpc.js';
import { openbookqa } from './openbookqa.js';
import { piqa } from './piqa.js';
import { qnli } from './qnli.js';
import { qqp } from './qqp.js';
import { rte } from './rte.js';
import { siqa } from './siqa.js';
import { spam } from './spam.js';
import { squad, squad2, xquad } from './squad.js';
import { sst2 } from './sst2.js';
import { stsb } from './stsb.js';
import { winogrande } from './winogrande.js';
import { wnli } from './wnli.js';

/** The known tasks by name. */
export const TASKS: ReadonlyMap<string, TaskFactory> = new Map([
  ['arc_challenge', arcChallenge],
  ['arc_easy', arcEasy],
  ['boolq', boolq],
  ['cola', cola],
  ['e2e', e2e],
  ['gsm8k', gsm8k],
  ['hellaswag', hellaswag],
  ['mnli', mnli],
  ['mnlimm', mnliMismatched],
  ['mrpc', mrpc],
  ['openbookqa', openbookqa],
  ['piqa', piqa],
  ['qnli', qnli],
  ['qqp', qqp],
  ['rte', rte],
  ['siqa', siqa],
  ['spam', spam],
  ['squad', squad],
  ['squad2', squad2],
  ['sst2', sst2],
  ['stsb', stsb],
  ['winogrande', winogrande],
  ['wnli', wnli],
  ['xquad', xquad],
]);
