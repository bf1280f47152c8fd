import { openCheckpoint } from '../../checkpoint/open.js';
import type { ResolvedModel } from '../../checkpoint/resolve.js';
import type { Checkpoint } from '../../checkpoint/types.js';
import type { Reporter } from '../../reporter.js';

/** Opens a model where it was found, and says what there is to say of how its files were read. */
export async function openFound(
  { file, folder }: ResolvedModel,
  name: string,
  reporter: Reporter,
  signal?: AbortSignal,
): Promise<Checkpoint> {
  const checkpoint = await openCheckpoint(file ?? folder, name, signal);
  for (const note of checkpoint.notes) reporter.warn(note);
  return checkpoint;
}
