import { createWriteStream } from 'node:fs';
import { rename, rm, stat } from 'node:fs/promises';
import { basename, extname, join } from 'node:path';
import type { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import * as z from 'zod';
import { isTablePath } from '../../data/readers/index.js';
import { makeFolders, partialName } from '../../files/atomic.js';
import { clientSignal } from '../../serve/answerHttp.js';
import { ApiError, badRequest } from '../../serve/apiError.js';
import { readBody } from '../../serve/readBody.js';
import { parseTrainConfig } from '../../settings/config.js';
import { TASKS } from '../../tasks/known/registry.js';
import { boundedSettings } from '../bounded.js';
import { checkForm, settingViews } from '../form.js';
import { Workers } from '../workers.js';
import type { BoardRoutes } from './route.js';

const settings = z.record(z.string().max(100), z.unknown());
const ofForm = z.strictObject({
  command: z.enum(['train', 'select']).default('train'),
  settings,
  output: z.string().max(500).default(''),
});
const ofData = z.strictObject({ settings });
const ofUpload = z.strictObject({ name: z.string().min(1).max(200) });

/** Bytes of a file that is uploaded; larger ones are given by their path. */
const mostUploaded = 256 * 2 ** 20;

/** The form of a new run: what it asks, what is wrong with it, what its data are, what it would take. */
export const formRoutes: BoardRoutes = (app, { roots }) => {
  const workers = new Workers();

  app.get('/api/settings', async () => ({ settings: settingViews(), tasks: [...TASKS.keys()] }));

  app.post('/api/check', async ({ body }) => {
    const { command, settings: asked, output } = readBody(body, ofForm);
    return checkForm(asked, command, output);
  });

  app.post('/api/preview', async ({ body }, reply) => {
    const signal = clientSignal(reply);
    const { settings: asked } = readBody(body, ofData);
    const bounded = await boundedSettings(asked, roots);
    const config = parseTrainConfig(bounded, 'The form', { idle: 'drop' });
    return workers.find({ of: 'preview', config }, signal);
  });

  app.post('/api/estimate', async ({ body }, reply) => {
    const signal = clientSignal(reply);
    const { settings: asked } = readBody(body, ofData);
    const config = parseTrainConfig(await boundedSettings(asked, roots), 'The form');
    return workers.find({ of: 'estimate', config }, signal);
  });

  // The body is the file, taken as it comes.
  app.addContentTypeParser('application/octet-stream', (_request, payload, done) => done(null, payload));
  app.post('/api/upload', async (request) => {
    const name = nameOf(readBody(request.query, ofUpload).name);
    if (Number(request.headers['content-length'] ?? 0) > mostUploaded) throw tooLarge();
    if (request.headers['content-type'] !== 'application/octet-stream') {
      throw badRequest('Send the file itself, with the header content-type: application/octet-stream.');
    }
    const folder = join(roots[0]!.path, 'uploads');
    await makeFolders(folder);
    const path = await freeName(folder, name);
    const partial = partialName(path);
    let size = 0;
    try {
      await pipeline(
        request.body as Readable,
        async function* (source: AsyncIterable<Buffer>) {
          for await (const part of source) {
            size += part.length;
            if (size > mostUploaded) throw tooLarge();
            yield part;
          }
        },
        createWriteStream(partial, { flags: 'wx' }),
      );
      await rename(partial, path);
    } catch (error) {
      await rm(partial, { force: true });
      throw error;
    }
    return { path, bytes: size };
  });
};

const tooLarge = () =>
  new ApiError(
    413,
    `The file is larger than ${mostUploaded / 2 ** 20} MB. Put it into a folder of the board and give its path.`,
  );

/** A file name of a kind that is read, without what a path could be made of. */
function nameOf(given: string): string {
  const name = basename(given.replaceAll('\\', '/'))
    .replace(/[^\w. -]/g, '_')
    .replace(/^\.+/, '');
  if (name === '' || !isTablePath(name)) {
    throw badRequest('A table is uploaded: a .csv, .tsv, .jsonl, .json or .parquet file.', 'name');
  }
  return name;
}

async function freeName(folder: string, name: string): Promise<string> {
  const end = extname(name);
  for (let i = 1; ; i++) {
    const path = join(folder, i === 1 ? name : `${name.slice(0, -end.length)}-${i}${end}`);
    const isTaken = await stat(path).then(
      () => true,
      () => false,
    );
    if (!isTaken) return path;
  }
}
