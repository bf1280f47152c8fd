import { createHash, randomBytes, timingSafeEqual } from 'node:crypto';
import type { IncomingHttpHeaders } from 'node:http';
import { ApiError } from '../serve/apiError.js';

/** A word that nobody guesses. */
export const newToken = () => randomBytes(24).toString('base64url');

/** Cookies are shared among the ports of a host: each board has a name of its own. */
export const cookieName = (port: number) => `diffora-board-${port}`;

/** The token that a request carries: in its cookie, or as a bearer. */
export function tokenOf({ cookie, authorization }: IncomingHttpHeaders, port: number): string | undefined {
  const bearer = /^Bearer\s+(\S+)$/i.exec(authorization ?? '')?.[1];
  if (bearer !== undefined) return bearer;
  const own = (cookie ?? '').split(';').map((one) => one.trim().split('='));
  return own.find(([name]) => name === cookieName(port))?.[1];
}

/** Compares in a time that tells nothing. */
export function isToken(given: string | undefined, token: string): boolean {
  return given !== undefined && timingSafeEqual(hashOf(given), hashOf(token));
}

/**
 * Refuses what another page sends: a name that was made to lead here (DNS rebinding), another origin, another site.
 * @throws ApiError (403)
 */
export function refuseOthers(headers: IncomingHttpHeaders, port: number): void {
  const hosts = ['127.0.0.1', 'localhost', '[::1]'].map((name) => `${name}:${port}`);
  if (!hosts.includes((headers.host ?? '').toLowerCase())) {
    throw new ApiError(403, 'This board is asked for under another name than its own. Open the link that it printed.', {
      code: 'wrong_host',
    });
  }
  const { origin } = headers;
  const isOwn = origin === undefined || hosts.some((host) => origin === `http://${host}`);
  const site = headers['sec-fetch-site'];
  // A link that someone follows is a navigation, and carries no cookie of ours unless it is the link with the token.
  const isForeign = site === 'cross-site' && headers['sec-fetch-mode'] !== 'navigate';
  if (!isOwn || isForeign) {
    throw new ApiError(403, 'Other pages may not use this board.', { code: 'wrong_origin' });
  }
}

function hashOf(text: string): Buffer {
  return createHash('sha256').update(text).digest();
}
