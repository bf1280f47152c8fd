import { downloadPhase } from '../hub/downloadPhase.js';
import type { Reporter } from '../reporter.js';
import type { TaskOptions } from './taskOptions.js';

/** How a task says where its rows come from, and is stopped. */
export function taskReports(
  reporter: Reporter,
  signal: AbortSignal | undefined,
): Pick<TaskOptions, 'warn' | 'info' | 'onProgress' | 'signal'> {
  return { warn: reporter.warn, info: reporter.info, onProgress: downloadPhase(reporter).onProgress, signal };
}
