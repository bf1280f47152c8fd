import * as z from 'zod';
import { adapterMethodNames, adapterSettings } from '../adapters/registry.js';
import { headParts } from '../models/model.js';

/** What is trained. `diffora` is LoRA where DiffoRA's matrix decides: `lora` with `select: diffora`. */
export const methods = ['diffora', ...adapterMethodNames] as const;
/** Name of a method, `diffora` among them. */
export type Method = (typeof methods)[number];

/** What is trained, and from where it goes on. Each method brings settings of its own. */
export const methodSettings = {
  method: z.enum(methods).default('diffora').describe('what is trained (diffora is lora with --select diffora)'),
  adapter: z.string().optional().describe('go on from this adapter folder: its method, modules, ranks and head'),
  anyBase: z
    .boolean()
    .default(false)
    .describe('take another base than the adapter was trained on, such as one in another format, with a warning'),
  head: z
    .enum(headParts)
    .default('all')
    .describe('part of the head that is trained: classifier, as PEFT does, or all, the pooler too'),
  targets: z
    .array(z.string())
    .min(1)
    .default(['all'])
    .describe('modules that may be adapted, with commas: ends of module paths, or all'),
  parameters: z
    .int()
    .positive()
    .optional()
    .describe('trainable numbers that adapters get, head apart: ranks or widths are solved for'),
  saveModules: z
    .array(z.string())
    .min(1)
    .optional()
    .describe(
      'modules that are trained and saved whole beside the adapters, with commas: embed_tokens, lm_head, norms',
    ),
  ...adapterSettings,
};
