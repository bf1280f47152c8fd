import * as z from 'zod';

/** The key of a task file for how many tokens are written at most, of every kind that writes. */
export const newTokensShape = { maxNewTokens: z.int().positive().optional() };
