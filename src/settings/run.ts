import { availableParallelism } from 'node:os';
import * as z from 'zod';
import { logNames } from '../logs/registry.js';
import { reduceTypes } from '../mpi/fixedSum.js';
import { precisions } from '../runtime/devices/computeDevice.js';
import { deviceNames, numberedDevice } from '../runtime/devices/registry.js';

/** What a run does beside learning: what it is drawn by, saves, logs and takes of the machine. */
export const runSettings = {
  seed: z.int().nonnegative().default(1).describe('of data order, initialisation and dropout'),
  threads: z.int().positive().default(availableParallelism()).describe('CPU threads'),
  reduce: z
    .enum(reduceTypes)
    .optional()
    .describe('type in which ranks send gradients (mpirun): bf16 halves the bytes and rounds (default: float32)'),
  device: z
    .union([
      z.enum(deviceNames),
      z
        .string()
        .regex(numberedDevice)
        .meta({ examples: ['cuda:1'] }),
    ])
    .optional()
    .describe('what runs the graphs; auto takes the fastest that is there (default: cpu)'),
  precision: z
    .enum(precisions)
    .optional()
    .describe('what products of matrices are computed in (default: tf32 on cuda, fp32 on others)'),
  saveSteps: z
    .int()
    .positive()
    .optional()
    .describe('steps between two checkpoints in DIR/checkpoints (default: none, all or nothing)'),
  keepCheckpoints: z.int().positive().default(2).describe('checkpoints that stay while the run goes on'),
  log: z
    .array(z.enum(logNames))
    .default([])
    .describe(`logs beside metrics.jsonl, with commas: ${logNames.join(', ')}`),
  logDir: z.string().optional().describe('folder of logs that are files (default: the output with -logs)'),
  memoryLimit: z
    .union([z.literal('none'), z.number().positive()])
    .optional()
    .describe(
      'GB that a run may take by its estimate; more is refused (default: a warning where that is more than is free)',
    ),
};
