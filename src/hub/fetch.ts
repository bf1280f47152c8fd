import { DiffoError } from '../errors.js';
import { watchedBody } from './watchedBody.js';

/** The hub, or the server that holds its files, does not answer as a hub does. Another source may help. */
export class HubUnreachable extends DiffoError {
  /** The reason alone, to be put into a longer sentence. */
  readonly reason: string;

  constructor(endpoint: string, reason: string, cause?: unknown) {
    super(`Cannot reach ${endpoint}: ${reason}. Check the network, the proxy and HF_ENDPOINT.`, { cause });
    this.name = 'HubUnreachable';
    this.reason = reason;
  }
}

/** Where the hub is, how to ask it, and as whom. */
export interface HubAccess {
  readonly hubUrl: string;
  readonly fetch: typeof fetch;
  readonly accessToken?: string;
}

/** Time limits, so that a machine without network says so instead of hanging. */
export interface Patience {
  /** Until the first answer of any kind, in milliseconds. */
  readonly firstContact: number;
  /** Until a later answer begins, and between two pieces of a download or an upload, in milliseconds. */
  readonly stall: number;
}

export const DEFAULT_PATIENCE: Patience = { firstContact: 8_000, stall: 60_000 };

/**
 * A `fetch` for the hub with deadlines. Network faults, timeouts, server errors (5xx) and pages of a proxy or firewall
 * become {@link HubUnreachable}; an abort by `signal` stays an abort. The token goes to the endpoint alone: the servers
 * that it sends to for large files are told by the address that one may have the file.
 *
 * @param login what the endpoint is told where there is no token
 * @param onSent told of bytes of a body as they are sent, with the method of their request
 */
export function hubFetch(
  endpoint: string,
  patience: Patience,
  signal?: AbortSignal,
  login?: string | undefined,
  onSent?: (count: number, method: string) => void,
): typeof fetch {
  let limit = patience.firstContact;
  return async (input, init) => {
    const deadline = new AbortController();
    const timer = setTimeout(() => {
      deadline.abort(new HubUnreachable(endpoint, `no answer within ${limit / 1000} seconds`));
    }, limit);
    const signals = [deadline.signal, signal, init?.signal].filter((one) => one !== undefined && one !== null);
    try {
      const headers = new Headers(init?.headers);
      const isStorage = new URL(input instanceof Request ? input.url : input).origin !== new URL(endpoint).origin;
      if (isStorage) headers.delete('authorization');
      else if (login !== undefined && !headers.has('authorization')) headers.set('authorization', login);
      const request = watched(init, (count) => {
        timer.refresh();
        onSent?.(count, init?.method ?? 'GET');
      });
      const response = await fetch(input, { ...request, headers, signal: AbortSignal.any(signals) });
      if (response.status >= 500 || isForeignPage(response)) {
        await response.body?.cancel();
        const who = isStorage ? 'the storage that it names for large files' : 'it';
        throw new HubUnreachable(endpoint, `${who} answers with status ${response.status}`);
      }
      limit = patience.stall;
      return response;
    } catch (error) {
      signal?.throwIfAborted();
      throw error instanceof DiffoError ? error : new HubUnreachable(endpoint, networkReason(error), error);
    } finally {
      clearTimeout(timer);
    }
  };
}

/** A request whose body is told of while it is sent, where it is a text or a blob. */
function watched(init: RequestInit | undefined, onBytes: (count: number) => void): RequestInit | undefined {
  const content = typeof init?.body === 'string' ? new Blob([init.body]) : init?.body;
  return content instanceof Blob ? { ...init, body: watchedBody(content, onBytes) } : init;
}

/** Refusals by a proxy or firewall are pages; the hub's own carry JSON, or an error code in a header. */
function isForeignPage(response: Response): boolean {
  if (response.status === 407) return true;
  const html = response.headers.get('content-type')?.startsWith('text/html') ?? false;
  return response.status === 403 && html && !response.headers.has('x-error-code');
}

/** The innermost message of an error of `fetch`, which wraps the cause in "fetch failed". */
export function networkReason(error: unknown): string {
  let innermost = error;
  while (innermost instanceof Error && innermost.cause instanceof Error) innermost = innermost.cause;
  if (innermost instanceof AggregateError && innermost.errors[0] instanceof Error) innermost = innermost.errors[0];
  return innermost instanceof Error ? innermost.message || innermost.name : String(innermost);
}
