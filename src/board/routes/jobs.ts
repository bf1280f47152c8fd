import { setTimeout } from 'node:timers/promises';
import { stringify } from 'yaml';
import * as z from 'zod';
import { isComplete } from '../../artifacts/runOutput.js';
import { isRunning, knownProcess } from '../../files/lock.js';
import { ApiError, badRequest } from '../../serve/apiError.js';
import { readBody } from '../../serve/readBody.js';
import { parseTrainConfig } from '../../settings/config.js';
import { boundedSettings } from '../bounded.js';
import { told } from '../detail.js';
import { idOf, insidePath, newWithin } from '../roots.js';
import type { BoardContext, BoardRoutes } from './route.js';
import { openRun } from './runs.js';

const settings = z.record(z.string().max(100), z.unknown());
const toStart = z.strictObject({
  command: z.enum(['train', 'select']).default('train'),
  settings,
  /** Folder of the run, in the first folder of the board. */
  output: z.string().min(1).max(500),
});
const ofRun = z.strictObject({ id: z.string().max(4000) });
const ofLog = z.strictObject({ job: z.string().max(100) });

/** Milliseconds after which a second signal is no echo of the first. */
const secondSignal = 700;

/** Runs are started, gone on with and stopped. */
export const jobRoutes: BoardRoutes = (app, context) => {
  const { jobs, library, roots } = context;

  app.post('/api/start', async ({ body }) => {
    const { command, settings: asked, output } = readBody(body, toStart);
    const bounded = await boundedSettings(asked, roots);
    const config = parseTrainConfig(bounded, 'The form', { command });
    const place = await placeFor(context, output);
    const file = await jobs.writeSettings(stringify(bounded));
    const job = await jobs.add([command, '--config', file, '--output', place], place, {
      ...told(bounded),
      method: config.method.method,
    });
    return { id: idOf(0, place.slice(roots[0]!.path.length + 1)), job: job.id };
  });

  app.post('/api/demo', async () => {
    const place = await placeFor(context, 'diffora-demo');
    const job = await jobs.add(['demo', '--output', place], place, { method: 'diffora', task: 'spam' });
    return { id: idOf(0, place.slice(roots[0]!.path.length + 1)), job: job.id };
  });

  app.post('/api/resume', async ({ body }) => {
    const run = await openRun(context, readBody(body, ofRun).id);
    const { state, isSaved, command = 'train' } = run.view;
    if (!isSaved || state === 'running')
      throw badRequest('This run has no checkpoint to go on from, or goes on already.', 'id');
    if (jobs.of(run.path)?.state === 'waiting') throw badRequest('This run waits in the queue already.', 'id');
    const known = command === 'select' ? 'select' : 'train';
    const job = await jobs.add([known, '--resume', '--output', run.path], run.path, run.lines.begun?.config ?? {});
    return { id: run.id, job: job.id };
  });

  /** Asks a run to end after the step that it is at; with checkpoints that step is saved, and it can go on from there. */
  app.post('/api/pause', async ({ body }) => {
    const { pid, path } = await stoppable(context, readBody(body, ofRun).id);
    await jobs.markStopped(path);
    process.kill(pid, 'SIGINT');
    return { isAsked: true };
  });

  /** Takes a run out of the queue, or ends it at once: what was not saved before is lost. */
  app.post('/api/stop', async ({ body }) => {
    const { id } = readBody(body, ofRun);
    await library.look(0);
    const waiting = jobs.all.find((job) => job.state === 'waiting' && idOfOutput(context, job.output) === id);
    if (waiting !== undefined && (await jobs.cancel(waiting))) return { isAsked: true };
    const { pid, path } = await stoppable(context, id);
    await jobs.markStopped(path);
    const known = knownProcess(pid);
    process.kill(pid, 'SIGINT');
    await setTimeout(secondSignal);
    if (isRunning(known)) process.kill(pid, 'SIGINT');
    return { isAsked: true };
  });

  app.get('/api/log', async ({ query }) => ({ text: await jobs.log(readBody(query, ofLog).job) }));
};

/** Id of a folder within the folders of the board. */
export function idOfOutput({ roots }: Pick<BoardContext, 'roots'>, output: string): string | undefined {
  const root = roots.findIndex(({ path }) => output.startsWith(`${path}/`) || output.startsWith(`${path}\\`));
  return root < 0 ? undefined : idOf(root, output.slice(roots[root]!.path.length + 1));
}

/** A place for a new run. @throws ApiError where it lies outside, or something is there */
async function placeFor({ roots, jobs }: BoardContext, output: string): Promise<string> {
  const root = roots[0]!.path;
  const name = insidePath(output.trim());
  if (name === '' || name.split(/[/\\]/).some((part) => part.startsWith('.'))) {
    throw badRequest('Give the run a name that does not begin with a dot.', 'output');
  }
  const place = await newWithin([root], `${root}/${name}`);
  if (place === root) throw badRequest('Give the run a name.', 'output');
  const before = jobs.of(place);
  const isTaken = (await isComplete(place)) || before?.state === 'waiting' || before?.state === 'running';
  if (isTaken) throw new ApiError(409, `There is a run ${name} already. Give it another name.`, { param: 'output' });
  return place;
}

/** @throws ApiError where the run does not go on in a process of this machine */
async function stoppable(context: BoardContext, id: string) {
  await context.library.look(0);
  const { pid, path } = await openRun(context, id);
  if (pid === undefined) throw badRequest('This run does not go on in a process of this machine.', 'id');
  return { pid, path };
}
