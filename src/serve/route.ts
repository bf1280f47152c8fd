import type { ServedModel } from './servedModel.js';
import type { ServerMetrics } from './serverMetrics.js';

/** What a route works with. */
export interface RouteContext {
  /** @throws ApiError (404) where there is none of that name */
  model(name: string): ServedModel;
  readonly models: readonly ServedModel[];
  /** Seconds since 1970 at which the server began. */
  readonly started: number;
  readonly metrics: ServerMetrics;
}

/** A request as a route sees it. */
export interface RouteRequest {
  readonly body: unknown;
  /** Aborted once the client has gone away. */
  readonly signal: AbortSignal;
}

/** What a request is answered with: an object, or events one by one, which a client reads as they come. */
export type RouteAnswer = { readonly object: object } | { readonly events: AsyncIterable<object> };

/** A path under which requests with a body are answered. Nothing of HTTP is known in it. */
export interface Route {
  readonly path: string;
  /** @throws ApiError for a request that cannot be served */
  answer(request: RouteRequest, context: RouteContext): Promise<RouteAnswer>;
}
