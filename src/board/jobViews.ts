import { type Job, type Jobs, lastLine } from './jobs.js';
import { idOf, isWithin, type Root } from './roots.js';
import type { RunView } from './view.js';

/** A run with its job, where the board started it. */
export function withJob(view: RunView, jobs: Pick<Jobs, 'of' | 'lastLog'>, path: string): RunView {
  const job = jobs.of(path);
  if (job === undefined) return view;
  // A run that goes on from a checkpoint waits like a new one.
  const state = job.state === 'waiting' && view.state !== 'running' ? 'waiting' : view.state;
  const hasFailed = job.state === 'ended' && hasFailedBy(job) && view.isGone && view.state === 'stopped';
  if (!hasFailed) return { ...view, state, job: job.id };
  // It may have gone before a line of it was read.
  return { ...view, state: 'failed', error: view.error ?? lastLine(jobs.lastLog(job.id)), job: job.id };
}

/** Jobs whose run has no folder: those that wait, begin, or failed before there was one. */
export function comingRuns(jobs: Jobs, roots: readonly Root[], known: (path: string) => boolean): RunView[] {
  const newest = new Map<string, Job>();
  for (const job of [...jobs.all].sort((a, b) => a.time - b.time)) newest.set(job.output, job);
  return [...newest.values()].flatMap((job): RunView[] => {
    const root = roots.findIndex(({ path }) => isWithin(path, job.output));
    if (root < 0 || known(job.output) || (job.state === 'ended' && !hasFailedBy(job))) return [];
    const name = job.output.slice(roots[root]!.path.length + 1);
    const { config } = job;
    const text = (key: string) => (typeof config[key] === 'string' ? config[key] : undefined);
    return [
      {
        id: idOf(root, name),
        name,
        state: job.state === 'ended' ? 'failed' : job.state,
        command: job.args[0],
        task: text('task'),
        model: text('model'),
        method: text('method'),
        select: text('select'),
        time: job.time,
        error: job.state === 'ended' ? lastLine(jobs.lastLog(job.id)) : undefined,
        isSaved: false,
        saves: false,
        canStop: job.state === 'waiting',
        job: job.id,
        hasAdapter: false,
        hasMatrix: false,
        isGone: job.state === 'ended',
      },
    ];
  });
}

/** Nobody stopped it, and it did not end well. */
function hasFailedBy({ exitCode, isStopped }: Job): boolean {
  return isStopped !== true && exitCode !== 0 && exitCode !== 130 && exitCode !== 143 && exitCode !== null;
}
