import * as z from 'zod';
import { selectionMethodSettings, selectionNames } from '../selection/registry.js';

/** Where adapters go. Each way to choose brings settings of its own. */
export const selectionSettings = {
  select: z
    .enum(selectionNames)
    .optional()
    .describe('how modules are chosen; not given: diffora with that method, else all targets'),
  dam: z.string().optional().describe('take the matrix of this dam.json and do not select'),
  ...selectionMethodSettings,
};
