import { createHash } from 'node:crypto';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

export const COMMIT = '0123456789abcdef0123456789abcdef01234567';

export interface FakeModel {
  readonly files: Readonly<Record<string, Buffer>>;
  /** Files above this size count as large: SHA-256 and a redirect, as with Git LFS. */
  readonly lfsFrom?: number;
}

export interface HubServer {
  readonly endpoint: string;
  /** `METHOD /path` of every request. */
  readonly requests: string[];
  /** Set to change how the server answers; returns true when it has. */
  intercept: ((request: IncomingMessage, response: ServerResponse) => boolean) | undefined;
  close(): Promise<void>;
}

/** The routes of the hub that downloading a model takes, on the loopback interface. */
export async function startHub(models: Readonly<Record<string, FakeModel>>, token?: string): Promise<HubServer> {
  const requests: string[] = [];
  const server = createServer((request, response) => {
    const url = new URL(request.url ?? '/', 'http://hub');
    requests.push(`${request.method} ${url.pathname}`);
    if (hub.intercept?.(request, response)) return;
    if (token !== undefined && request.headers.authorization !== `Bearer ${token}`) {
      json(response, 401, { error: 'Invalid username or password.' });
    } else answer(models, url, request, response);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const hub: HubServer = {
    endpoint: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    requests,
    intercept: undefined,
    close: () =>
      new Promise((resolve) => {
        server.closeAllConnections();
        server.close(() => resolve());
      }),
  };
  return hub;
}

function json(response: ServerResponse, status: number, body: unknown): void {
  response.writeHead(status, { 'content-type': 'application/json; charset=utf-8' }).end(JSON.stringify(body));
}

function answer(
  models: Readonly<Record<string, FakeModel>>,
  url: URL,
  request: IncomingMessage,
  response: ServerResponse,
) {
  if (url.pathname === '/api/models') {
    const search = url.searchParams.get('search') ?? '';
    const found = Object.keys(models).filter((id) => id.includes(search));
    return json(
      response,
      200,
      found.map((id) => ({
        _id: id,
        id,
        private: false,
        gated: false,
        downloads: 0,
        likes: 0,
        lastModified: '2024-01-01T00:00:00Z',
      })),
    );
  }
  const info = /^\/api\/models\/(.+?)\/(revision|paths-info)\/([^/]+)$/.exec(url.pathname);
  const file = /^\/(?!api\/)(.+?)\/resolve\/([^/]+)\/(.+)$/.exec(url.pathname);
  const model = models[(info ?? file)?.[1] ?? ''];
  if (!model) return json(response, 401, { error: 'Repository not found' });
  const revision = decodeURIComponent(info?.[3] ?? file?.[2] ?? '');
  if (revision !== 'main' && revision !== COMMIT) return json(response, 404, { error: `Invalid rev id: ${revision}` });
  if (file) return sendFile(model, file[3]!, request, response);
  if (info?.[2] === 'revision') {
    const siblings = Object.keys(model.files).map((rfilename) => ({ rfilename }));
    return json(response, 200, {
      _id: 'x',
      id: info[1],
      sha: COMMIT,
      siblings,
      private: false,
      gated: false,
      downloads: 0,
      likes: 0,
      lastModified: '2024-01-01T00:00:00Z',
    });
  }
  let body = '';
  request.on('data', (chunk) => {
    body += chunk;
  });
  request.on('end', () => {
    const { paths } = JSON.parse(body) as { paths: string[] };
    json(
      response,
      200,
      paths.filter((path) => model.files[path]).map((path) => describe(path, model)),
    );
  });
}

function describe(path: string, model: FakeModel) {
  const data = model.files[path]!;
  const oid = createHash('sha1').update(`blob ${data.length}\0`).update(data).digest('hex');
  const lfs = { oid: createHash('sha256').update(data).digest('hex'), size: data.length, pointerSize: 134 };
  const large = data.length >= (model.lfsFrom ?? 1_000);
  return { type: 'file', path, size: data.length, oid, ...(large ? { lfs } : {}) };
}

function sendFile(model: FakeModel, path: string, request: IncomingMessage, response: ServerResponse): void {
  const data = model.files[path];
  if (!data) {
    response.writeHead(404, { 'x-error-code': 'EntryNotFound' }).end('Entry not found');
  } else {
    const range = /^bytes=(\d+)-(\d*)$/.exec(request.headers.range ?? '');
    const start = Number(range?.[1] ?? 0);
    const end = range?.[2] ? Math.min(Number(range[2]) + 1, data.length) : data.length;
    const part = data.subarray(start, end);
    const headers = { etag: '"x"', 'content-length': String(part.length) };
    if (range === null) response.writeHead(200, headers).end(part);
    else response.writeHead(206, { ...headers, 'content-range': `bytes ${start}-${end - 1}/${data.length}` }).end(part);
  }
}
