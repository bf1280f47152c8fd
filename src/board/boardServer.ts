import Fastify, { type FastifyInstance } from 'fastify';
import { apiErrorOf } from '../serve/answerHttp.js';
import { ApiError } from '../serve/apiError.js';
import { cookieName, isToken, refuseOthers, tokenOf } from './access.js';
import type { PageFile } from './pageFiles.js';
import { boardRoutes } from './routes/registry.js';
import type { BoardContext } from './routes/route.js';

export interface BoardServerOptions extends BoardContext {
  readonly token: string;
  readonly page: ReadonlyMap<string, PageFile>;
}

/** Of what is not streamed. */
const mostBody = 2 ** 20;

const policy = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "img-src 'self' data:",
  "connect-src 'self'",
  "frame-src 'self'",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
].join('; ');

/** What every answer carries: nothing from elsewhere, no frames, no guesses, nothing kept. */
const headers = {
  'content-security-policy': policy,
  'x-content-type-options': 'nosniff',
  'referrer-policy': 'no-referrer',
  'cross-origin-opener-policy': 'same-origin',
  'cross-origin-resource-policy': 'same-origin',
  'cache-control': 'no-store',
};

/** Every path of a board, not listening yet. */
export function boardServer({ token, page, ...context }: BoardServerOptions): FastifyInstance {
  const app = Fastify({ bodyLimit: mostBody, forceCloseConnections: true, routerOptions: { maxParamLength: 200 } });
  // Known once it listens, which is before the first request.
  const port = () => (app.server.address() as { port: number }).port;
  app.setErrorHandler((error, _request, reply) => {
    const found = apiErrorOf(error);
    const { retryAfter } = found.options;
    if (retryAfter !== undefined) reply.header('retry-after', String(retryAfter));
    reply.code(found.status).send(found.body);
  });
  app.setNotFoundHandler(({ method, url }) => {
    throw new ApiError(404, `There is no ${method} ${url.split('?')[0]} here.`, { code: 'unknown_url' });
  });
  app.addHook('onRequest', async (request, reply) => {
    reply.headers(headers);
    refuseOthers(request.headers, port());
    const asked = (request.query as Readonly<Record<string, unknown>>).token;
    if (request.url.split('?')[0] === '/' && typeof asked === 'string' && isToken(asked, token)) {
      // The token leaves the address bar, and with it the history of the browser.
      reply.header('set-cookie', `${cookieName(port())}=${token}; HttpOnly; SameSite=Strict; Path=/`);
      return reply.redirect('/');
    }
    if (!isToken(tokenOf(request.headers, port()), token)) {
      if (request.headers.accept?.includes('text/html') === true) {
        return reply.code(401).type('text/html; charset=utf-8').send(needsLink);
      }
      throw new ApiError(401, 'Open the link that diffora board printed: it holds the token of this board.', {
        code: 'no_token',
      });
    }
    if (context.isReadOnly && request.method !== 'GET' && request.method !== 'HEAD') {
      throw new ApiError(403, 'This board was started with --read-only: it shows, and does nothing.', {
        code: 'read_only',
      });
    }
    return undefined;
  });
  for (const [path, { type, content }] of page) {
    const isNamedByContent = path.startsWith('/assets/');
    app.get(path === '/index.html' ? '/' : path, async (_, reply) => {
      if (isNamedByContent) reply.header('cache-control', 'private, max-age=31536000, immutable');
      return reply.type(type).send(content);
    });
  }
  for (const add of boardRoutes) add(app, context);
  return app;
}

const needsLink = `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>diffora board</title></head>
<body><main><h1>diffora board</h1>
<p>Open the link that <code>diffora board</code> printed in its terminal. It holds the token of this board.</p></main></body></html>
`;
