import * as z from 'zod';
import { versions } from '../../artifacts/runRecord.js';
import { ApiError } from '../../serve/apiError.js';
import { readBody } from '../../serve/readBody.js';
import { comingDetail, runDetail } from '../detail.js';
import type { BoardView, SeriesView } from '../view.js';
import type { BoardContext, BoardRoutes } from './route.js';

const ofRun = z.strictObject({ id: z.string().max(4000) });
const ofCurves = z.strictObject({ id: z.union([z.string(), z.array(z.string()).max(50)]) });
const ofStream = z.strictObject({ run: z.string().max(4000).optional() });

/** The table of runs, one run, curves of several, and what changes. */
export const runRoutes: BoardRoutes = (app, context) => {
  const { library, streams, isReadOnly, roots } = context;

  app.get('/api/board', async (): Promise<BoardView> => {
    const { runs, comparisons } = await library.list();
    const folders = roots.map(({ name }) => name);
    return { isReadOnly, version: versions().diffora!, folders, isCut: library.isCut, runs, comparisons };
  });

  app.get('/api/run', async ({ query }) => {
    const { id } = readBody(query, ofRun);
    const coming = library.comingRun(id);
    if (coming !== undefined) return comingDetail(coming);
    const run = await openRun(context, id);
    return runDetail(run, library.viewOf(run));
  });

  app.get('/api/curves', async ({ query }) => {
    const { id } = readBody(query, ofCurves);
    const curves: Record<string, Record<string, SeriesView>> = {};
    for (const one of Array.isArray(id) ? id : [id]) curves[one] = (await openRun(context, one)).lines.views();
    return curves;
  });

  app.get('/api/events', async (request, reply) => {
    streams.answer(request, reply, readBody(request.query, ofStream).run);
    return reply;
  });
};

/** @throws ApiError (404) */
export async function openRun({ library }: BoardContext, id: string) {
  const run = await library.read(id);
  if (run === undefined)
    throw new ApiError(404, 'There is no such run here (any more).', { code: 'no_run', param: 'id' });
  return run;
}
