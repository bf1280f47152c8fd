import { type ResolvedModel, resolveModel } from '../checkpoint/resolve.js';
import type { Phase, Reporter } from './reporter.js';

const megabyte = 1e6;

/** Finds a model by name, its download (if there is one) shown as a phase in megabytes. */
export async function findModel(name: string, reporter: Reporter, signal?: AbortSignal): Promise<ResolvedModel> {
  let phase: Phase | undefined;
  let announced = 0;
  const resolved = await resolveModel(name, {
    log: reporter.info,
    warn: reporter.warn,
    onProgress: ({ receivedBytes, totalBytes }) => {
      if (totalBytes !== announced) {
        phase?.end();
        phase = reporter.phase('download (MB)', Math.ceil(totalBytes / megabyte));
        announced = totalBytes;
      }
      phase?.update(Math.floor(receivedBytes / megabyte));
      if (receivedBytes >= totalBytes) {
        phase?.end();
        phase = undefined;
      }
    },
    ...(signal === undefined ? {} : { signal }),
  });
  phase?.end();
  return resolved;
}
