import { csv } from './csv.js';
import type { LogTarget } from './log.js';
import { mlflow } from './mlflow.js';
import { tensorboard } from './tensorboard.js';
import { wandbLog } from './wandb.js';

/** Every kind of log: a file and a line here. */
export const logTargets = {
  tensorboard,
  csv,
  wandb: wandbLog(),
  mlflow,
} as const satisfies Record<string, LogTarget>;

export type LogName = keyof typeof logTargets;
export const logNames = Object.keys(logTargets) as LogName[];
