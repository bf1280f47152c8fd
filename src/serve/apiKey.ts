import { createHash, timingSafeEqual } from 'node:crypto';
import { ApiError } from './apiError.js';

/**
 * Refuses requests without the key, in a time that tells nothing of it.
 * @param header `Authorization` of the request
 * @throws ApiError (401)
 */
export function checkApiKey(apiKey: string, header: string | undefined): void {
  const given = /^Bearer\s+(.+)$/i.exec(header ?? '')?.[1];
  if (given === undefined) {
    throw new ApiError(401, 'No API key was sent. Send the header Authorization: Bearer KEY.', {
      code: 'missing_api_key',
    });
  }
  if (!timingSafeEqual(hashOf(given), hashOf(apiKey))) {
    throw new ApiError(401, 'The API key is not that of this server.', { code: 'invalid_api_key' });
  }
}

function hashOf(text: string): Buffer {
  return createHash('sha256').update(text).digest();
}
