import type { Ranks } from '../../mpi/ranks.js';
import type { FoundStage, State } from '../../state.js';
import type { Manifest } from './format.js';
import type { Checkpoint } from './read.js';

/** A checkpoint without what is long. */
interface Outline {
  readonly path: string;
  readonly manifest: Manifest;
  readonly stages: readonly (Omit<FoundStage, 'state'> & {
    readonly name: string;
    readonly values: State['values'];
    readonly arrays: readonly string[];
  })[];
}

/** The checkpoint that the first rank goes on from, on all of them: where it lies, the others need not see. */
export async function checkpointFromFirst(
  ranks: Ranks,
  read: () => Promise<Checkpoint | undefined>,
): Promise<Checkpoint | undefined> {
  let own: Checkpoint | undefined;
  const outline = await ranks.fromFirst(async (): Promise<Outline | undefined> => {
    own = await read();
    if (own === undefined) return undefined;
    const stages = [...own.stages].map(([name, { step, last, state }]) => {
      return { name, step, last, values: state.values, arrays: Object.keys(state.arrays) };
    });
    return { path: own.path, manifest: own.manifest, stages };
  });
  if (outline === undefined) return undefined;
  const stages = new Map<string, FoundStage>();
  for (const { name, step, last, values, arrays } of outline.stages) {
    const found: Record<string, Float32Array> = {};
    for (const array of arrays) {
      const { buffer, byteOffset, byteLength } = own?.stages.get(name)?.state.arrays[array] ?? new Float32Array();
      const bytes = await ranks.bytesFromFirst(new Uint8Array(buffer, byteOffset, byteLength));
      found[array] = new Float32Array(bytes.buffer, bytes.byteOffset, bytes.byteLength / 4);
    }
    stages.set(name, { step, last, state: { arrays: found, values } });
  }
  return own ?? { path: outline.path, manifest: outline.manifest, stages };
}
