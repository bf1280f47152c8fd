import * as z from 'zod';
import { usageError } from '../errors.js';
import { firstFault } from '../files/faults.js';
import { usualThreads } from '../settings/config.js';
import { runSettings } from '../settings/run.js';

/** How a server listens and how much it takes on, with defaults. */
export const serveShape = {
  port: z.int().min(0).max(65_535).default(8080).describe('port; 0: any that is free'),
  host: z.string().min(1).default('127.0.0.1').describe('address to listen at'),
  apiKey: z.string().min(1).optional().describe('what clients have to send as a bearer token, but for /healthz'),
  maxBatch: z.int().positive().default(16).describe('texts that one run takes, and that are written at a time'),
  maxQueue: z.int().positive().default(256).describe('requests under way; to more the answer is 429'),
  maxBody: z.int().positive().default(1_048_576).describe('bytes of a request'),
  threads: z.int().positive().default(usualThreads).describe('CPU threads'),
  device: runSettings.device,
};
const serveSchema = z.strictObject(serveShape);

/** Settings of a server as they are given: all have a default, but for the key. */
export type ServeSettingsInput = z.input<typeof serveSchema>;
/** Settings of a server. */
export type ServeSettings = z.output<typeof serveSchema>;

/** @throws DiffoError (usage) that names the first setting that is wrong */
export function parseServeSettings(input: ServeSettingsInput): ServeSettings {
  const parsed = serveSchema.safeParse(input);
  if (parsed.success) return parsed.data;
  throw usageError(`serve: ${firstFault(parsed.error, serveSchema, input)}.`);
}

/** True for an address that other machines cannot reach. */
export function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || /^127(\.\d{1,3}){3}$/.test(host);
}
