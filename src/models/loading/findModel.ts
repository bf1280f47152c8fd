import { type ResolvedModel, resolveModel } from '../../checkpoint/resolve.js';
import { downloadPhase } from '../../hub/downloadPhase.js';
import type { Reporter } from '../../reporter.js';

/** Finds a model by name, its download (if there is one) shown as a phase in megabytes. */
export async function findModel(name: string, reporter: Reporter, signal?: AbortSignal): Promise<ResolvedModel> {
  const { onProgress, end } = downloadPhase(reporter);
  const resolved = await resolveModel(name, {
    log: reporter.info,
    warn: reporter.warn,
    onProgress,
    ...(signal === undefined ? {} : { signal }),
  });
  end();
  return resolved;
}
