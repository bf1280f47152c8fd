import Fastify, { type FastifyInstance } from 'fastify';
import { nearestNames } from '../errors.js';
import type { admission } from './admission.js';
import { clientSignal, sendAnswer, sendError } from './answerHttp.js';
import { ApiError } from './apiError.js';
import { checkApiKey } from './apiKey.js';
import { modelObject } from './modelList.js';
import type { Route, RouteContext } from './route.js';
import { routes } from './routes/registry.js';
import type { ServedModel } from './servedModel.js';
import type { ServerMetrics } from './serverMetrics.js';
import type { ServeSettings } from './settings.js';

/** The status of requests whose client went away before the answer was whole, as nginx has it. */
const clientGone = 499;

export interface HttpServerOptions extends Pick<ServeSettings, 'apiKey' | 'maxBody'> {
  readonly models: readonly ServedModel[];
  readonly metrics: ServerMetrics;
  /** Holds requests with a body to their number. */
  readonly admission: ReturnType<typeof admission>;
}

/** Every path of a server, not listening yet. */
export function httpServer({ models, metrics, admission, apiKey, maxBody }: HttpServerOptions): FastifyInstance {
  const app = Fastify({ bodyLimit: maxBody, forceCloseConnections: 'idle' });
  const context: RouteContext = {
    models,
    metrics,
    started: Math.floor(Date.now() / 1000),
    model: (name) => modelCalled(name, models),
  };
  app.setErrorHandler(sendError);
  app.setNotFoundHandler(({ method, url }) => {
    throw new ApiError(404, `There is no ${method} ${url.split('?')[0]} here.`, { code: 'unknown_url' });
  });
  let isClosing = false;
  app.addHook('preClose', async () => {
    isClosing = true;
  });
  app.addHook('onRequest', async (request, { raw }) => {
    const [began, route] = [performance.now(), request.routeOptions.url ?? 'none'];
    raw.once('close', () => {
      const status = raw.writableFinished ? raw.statusCode : clientGone;
      metrics.requests.add({ route, status: String(status) });
      metrics.seconds.observe({ route }, (performance.now() - began) / 1000);
      // A connection that is kept for more would keep the server from ending, for as long as clients keep them.
      if (isClosing) setImmediate(() => app.server.closeIdleConnections());
    });
    if (apiKey !== undefined && route !== '/healthz') checkApiKey(apiKey, request.headers.authorization);
  });

  app.get('/healthz', async () => ({ status: 'ok' }));
  app.get('/metrics', async (_, reply) => reply.type('text/plain; version=0.0.4; charset=utf-8').send(metrics.text()));
  app.get('/v1/models', async () => ({ object: 'list', data: models.map((one) => modelObject(one, context)) }));
  app.get<{ Params: { name: string } }>('/v1/models/:name', async ({ params }) =>
    modelObject(context.model(params.name), context),
  );
  for (const route of routes) addRoute(app, route, context, admission);
  return app;
}

function addRoute(app: FastifyInstance, route: Route, context: RouteContext, all: ReturnType<typeof admission>): void {
  app.post(route.path, async ({ body }, reply) => {
    const signal = clientSignal(reply);
    await all.during(async () => sendAnswer(await route.answer({ body, signal }, context), reply));
    return reply;
  });
}

/** @throws ApiError (404) */
function modelCalled(name: string, models: readonly ServedModel[]): ServedModel {
  const found = models.find((one) => one.name === name);
  if (found !== undefined) return found;
  const nearest = nearestNames(
    name,
    models.map((one) => one.name),
  ).join(', ');
  throw new ApiError(404, `There is no model ${JSON.stringify(name.slice(0, 100))} here; nearest: ${nearest}.`, {
    code: 'model_not_found',
    param: 'model',
  });
}
