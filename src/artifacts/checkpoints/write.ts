import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { writeSafetensors } from '../../checkpoint/safetensors-write.js';
import { removeAtOnce, withOutputFolder, writeFileAtomic } from '../../files/atomic.js';
import type { FoundStage } from '../../state.js';
import {
  checkpointFormat,
  checkpointName,
  fileSha256,
  MANIFEST_FILE,
  type Manifest,
  manifestChecksum,
  STATE_FILE,
  type StateFile,
  TENSORS_FILE,
} from './format.js';
import { savedSteps } from './read.js';

/** What a manifest says beside its files. */
export type Described = Omit<Manifest, 'format' | 'files' | 'checksum'>;

/**
 * Writes `folder`/step-N: under a temporary name, every file flushed, the manifest last, then renamed. A checkpoint of
 * that step that is there already (it could not be read, or it would have been gone on from) is replaced.
 */
export async function writeCheckpoint(
  folder: string,
  described: Described,
  stages: ReadonlyMap<string, FoundStage>,
): Promise<void> {
  await withOutputFolder(
    join(folder, checkpointName(described.step)),
    async (partial) => {
      const tensors = [...stages].flatMap(([stage, { state }]) =>
        Object.entries(state.arrays).map(([name, data]) => ({
          name: `${stage}/${name}`,
          shape: [data.length],
          data,
        })),
      );
      await writeSafetensors(join(partial, TENSORS_FILE), tensors);
      const file: StateFile = {
        stages: Object.fromEntries(
          [...stages].map(([name, { step, last, state }]) => [name, { step, last, values: state.values }]),
        ),
      };
      await writeFileAtomic(join(partial, STATE_FILE), JSON.stringify(file));
      const files: Manifest['files'] = [];
      for (const name of [TENSORS_FILE, STATE_FILE] as const) {
        const path = join(partial, name);
        files.push({ name, bytes: (await stat(path)).size, sha256: await fileSha256(path) });
      }
      const manifest = { format: checkpointFormat, ...described, files };
      const checksum = manifestChecksum(manifest);
      await writeFileAtomic(join(partial, MANIFEST_FILE), `${JSON.stringify({ ...manifest, checksum }, null, 2)}\n`);
    },
    { existing: 'replace' },
  );
}

/** Deletes all but the newest `keep` checkpoints. */
export function deleteOld(folder: string, keep: number): Promise<void> {
  return deleteSteps(folder, (steps) => steps.slice(keep));
}

/** Deletes the checkpoints after a step. */
export function deleteNewer(folder: string, than: number): Promise<void> {
  return deleteSteps(folder, (steps) => steps.filter((step) => step > than));
}

/** @param chosen those to delete, of the steps from the newest to the oldest */
async function deleteSteps(folder: string, chosen: (steps: number[]) => number[]): Promise<void> {
  for (const step of chosen(await savedSteps(folder))) {
    await removeAtOnce(join(folder, checkpointName(step)));
  }
}
