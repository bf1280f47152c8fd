import { createReadStream } from 'node:fs';
import { open, stat } from 'node:fs/promises';
import { basename, join } from 'node:path';
import * as z from 'zod';
import { ApiError } from '../../serve/apiError.js';
import { readBody } from '../../serve/readBody.js';
import { insidePath, pathOfId, realWithin } from '../roots.js';
import type { BoardRoutes } from './route.js';

const ofFile = z.strictObject({
  id: z.string().max(4000),
  path: z.string().min(1).max(4000),
  /** To be saved, whole, and not to be shown. */
  save: z.literal('1').optional(),
});
const ofReport = z.strictObject({ id: z.string().max(4000) });

/** Of a text that is shown; what is more can be saved. */
const mostShown = 2 ** 20;

/** Nothing in a file may do anything: no scripts, no forms, nothing from elsewhere. */
const inert = "default-src 'none'; style-src 'unsafe-inline'; img-src data:; sandbox; frame-ancestors 'self'";

/** Files of runs, and reports of comparisons. */
export const fileRoutes: BoardRoutes = (app, { roots }) => {
  app.get('/api/file', async ({ query }, reply) => {
    const { id, path, save } = readBody(query, ofFile);
    const folder = pathOfId(roots, id);
    // A run's own files alone, and where a part of its path is a link, only within the same folder of the board.
    const real = await realWithin([roots[folder.root]!.path], join(folder.path, insidePath(path)));
    const { size } = await refuseFolder(real);
    reply.header('content-security-policy', inert);
    if (save !== undefined) {
      reply.header('content-disposition', `attachment; filename*=UTF-8''${encodeURIComponent(basename(real))}`);
      return reply.type('application/octet-stream').header('content-length', size).send(createReadStream(real));
    }
    const file = await open(real, 'r');
    try {
      const { buffer, bytesRead } = await file.read(Buffer.alloc(Math.min(size, mostShown)), 0, undefined, 0);
      const isBinary = buffer.subarray(0, 4096).includes(0);
      reply.header('x-cut', bytesRead < size ? '1' : '0').header('x-binary', isBinary ? '1' : '0');
      return reply.type('text/plain; charset=utf-8').send(isBinary ? '' : buffer.subarray(0, bytesRead));
    } finally {
      await file.close();
    }
  });

  app.get('/api/report', async ({ query }, reply) => {
    const folder = pathOfId(roots, readBody(query, ofReport).id);
    const real = await realWithin([roots[folder.root]!.path], join(folder.path, 'report.html'));
    await refuseFolder(real);
    reply.header('content-security-policy', inert).header('x-frame-options', 'SAMEORIGIN');
    return reply.type('text/html; charset=utf-8').send(createReadStream(real));
  });
};

async function refuseFolder(path: string) {
  const found = await stat(path);
  if (!found.isFile()) throw new ApiError(400, 'That is no file.', { code: 'no_file', param: 'path' });
  return found;
}
