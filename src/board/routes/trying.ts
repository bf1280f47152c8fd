import { Readable } from 'node:stream';
import type { ReadableStream } from 'node:stream/web';
import * as z from 'zod';
import { clientSignal } from '../../serve/answerHttp.js';
import { badRequest } from '../../serve/apiError.js';
import { readBody } from '../../serve/readBody.js';
import type { BoardRoutes } from './route.js';
import { openRun } from './runs.js';

const ofRun = z.strictObject({ id: z.string().max(4000) });
const asked = z.strictObject({
  id: z.string().max(4000),
  of: z.enum(['adapter', 'base']).default('adapter'),
  path: z.enum(['classify', 'completions', 'chat/completions']),
  body: z.record(z.string(), z.unknown()),
});

/** Adapters of runs are asked, as `diffora serve` answers. */
export const tryRoutes: BoardRoutes = (app, context) => {
  const { tryModels } = context;
  const finished = async (id: string) => {
    const run = await openRun(context, id);
    if (!run.view.hasAdapter) throw badRequest('This run has no adapter (yet) that could be asked.', 'id');
    return run;
  };

  app.post('/api/try/open', async ({ body }) => tryModels.open(await finished(readBody(body, ofRun).id)));

  app.post('/api/try/ask', async (request, reply) => {
    const signal = clientSignal(reply);
    const { id, of, path, body } = readBody(request.body, asked);
    const response = await tryModels.ask(await finished(id), of, path, body, signal);
    reply.type(response.headers.get('content-type') ?? 'application/json');
    return reply.send(Readable.fromWeb(response.body as ReadableStream));
  });
};
