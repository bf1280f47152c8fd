import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { join } from 'node:path';
import * as z from 'zod';

export const checkpointFormat = 'diffora-checkpoint/2';

export const MANIFEST_FILE = 'manifest.json';
export const STATE_FILE = 'state.json';
export const TENSORS_FILE = 'tensors.safetensors';

const sha256 = z.string().regex(/^[0-9a-f]{64}$/);

/** What a run was started on: a name to compare by, where it lies, and its hash. */
export const identitySchema = z.record(z.string(), z.strictObject({ source: z.string(), sha256 }));
export type Identity = z.infer<typeof identitySchema>;

/** manifest.json of a checkpoint: written last, it says what the other files must be (docs/formats.md). */
export const manifestSchema = z.strictObject({
  format: z.literal(checkpointFormat),
  command: z.enum(['train', 'select']),
  /** Steps of all stages together. */
  step: z.int().nonnegative(),
  /** Processes that trained together, where there were several. */
  ranks: z.int().positive().optional(),
  versions: z.record(z.string(), z.string()),
  config: z.record(z.string(), z.unknown()),
  identity: identitySchema,
  files: z.array(z.strictObject({ name: z.enum([TENSORS_FILE, STATE_FILE]), bytes: z.int(), sha256 })),
  /** Of all that stands before it, as JSON without spaces. */
  checksum: sha256,
});
export type Manifest = z.infer<typeof manifestSchema>;

/** state.json: how far each stage is, and its numbers; arrays are in tensors.safetensors under `<stage>/<name>`. */
export const stateFileSchema = z.strictObject({
  stages: z.record(
    z.string(),
    z.strictObject({ step: z.int().nonnegative(), last: z.boolean(), values: z.record(z.string(), z.unknown()) }),
  ),
});
export type StateFile = z.infer<typeof stateFileSchema>;

export const CHECKPOINTS_FOLDER = 'checkpoints';

/** The folder of the checkpoints of a run folder. */
export const checkpointsOf = (output: string) => join(output, CHECKPOINTS_FOLDER);

export const checkpointName = (step: number) => `step-${step}`;

/** Step of a checkpoint's name; undefined for the name of anything else, such as an unfinished one. */
export function stepOf(name: string): number | undefined {
  const match = /^step-(\d+)$/.exec(name);
  return match === null ? undefined : Number(match[1]);
}

/** The checksum of a manifest, from all of its other keys as they stand. */
export function manifestChecksum({ checksum: _, ...rest }: Readonly<Record<string, unknown>>): string {
  return createHash('sha256').update(JSON.stringify(rest)).digest('hex');
}

export async function fileSha256(path: string): Promise<string> {
  const hash = createHash('sha256');
  for await (const chunk of createReadStream(path, { highWaterMark: 1 << 20 })) hash.update(chunk);
  return hash.digest('hex');
}
