import { createHash } from 'node:crypto';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

export const COMMIT = '0123456789abcdef0123456789abcdef01234567';

/** A model, or a dataset when its name begins with `datasets/`. */
export interface FakeRepository {
  readonly files: Readonly<Record<string, Buffer>>;
  /** The name of its one commit; `main` by default. */
  readonly revision?: string;
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

type Repositories = Readonly<Record<string, FakeRepository>>;

/** The routes of the hub that downloading a model or a dataset takes, on the loopback interface. */
export async function startHub(repositories: Repositories, token?: string): Promise<HubServer> {
  const requests: string[] = [];
  const server = createServer((request, response) => {
    const url = new URL(request.url ?? '/', 'http://hub');
    requests.push(`${request.method} ${url.pathname}`);
    if (hub.intercept?.(request, response)) return;
    if (token !== undefined && request.headers.authorization !== `Bearer ${token}`) {
      json(response, 401, { error: 'Invalid username or password.' });
    } else answer(repositories, url, request, response);
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

/** What the hub says of every repository. */
const facts = { private: false, gated: false, downloads: 0, likes: 0, lastModified: '2024-01-01T00:00:00Z' };

function answer(repositories: Repositories, url: URL, request: IncomingMessage, response: ServerResponse) {
  const listed = /^\/api\/(models|datasets)$/.exec(url.pathname);
  if (listed) {
    const search = url.searchParams.get('search') ?? '';
    const ids = Object.keys(repositories).flatMap((key) => {
      const isDataset = key.startsWith('datasets/');
      return isDataset === (listed[1] === 'datasets') ? [key.replace('datasets/', '')] : [];
    });
    const found = ids.filter((id) => id.includes(search));
    return json(
      response,
      200,
      found.map((id) => ({ _id: id, id, ...facts })),
    );
  }
  const info = /^\/api\/(?:models\/)?(.+?)\/(revision|paths-info|tree)\/([^/]+)$/.exec(url.pathname);
  const file = /^\/(?!api\/)(.+?)\/resolve\/([^/]+)\/(.+)$/.exec(url.pathname);
  const repository = repositories[(info ?? file)?.[1] ?? ''];
  if (!repository) return json(response, 401, { error: 'Repository not found' });
  const revision = decodeURIComponent(info?.[3] ?? file?.[2] ?? '');
  if (revision !== (repository.revision ?? 'main') && revision !== COMMIT) {
    return json(response, 404, { error: `Invalid rev id: ${revision}` });
  }
  if (file) return sendFile(repository, file[3]!, request, response);
  const paths = Object.keys(repository.files);
  if (info?.[2] === 'tree') {
    return json(
      response,
      200,
      paths.map((path) => describe(path, repository)),
    );
  }
  if (info?.[2] === 'revision') {
    const siblings = paths.map((rfilename) => ({ rfilename }));
    return json(response, 200, { _id: 'x', id: info[1], sha: COMMIT, siblings, ...facts });
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
      paths.filter((path) => repository.files[path]).map((path) => describe(path, repository)),
    );
  });
}

/** What the hub says of a file: its size and hashes. */
export function describe(path: string, repository: FakeRepository) {
  const data = repository.files[path]!;
  const oid = createHash('sha1').update(`blob ${data.length}\0`).update(data).digest('hex');
  const lfs = { oid: createHash('sha256').update(data).digest('hex'), size: data.length, pointerSize: 134 };
  const large = data.length >= (repository.lfsFrom ?? 1_000);
  return { type: 'file', path, size: data.length, oid, ...(large ? { lfs } : {}) };
}

function sendFile(repository: FakeRepository, path: string, request: IncomingMessage, response: ServerResponse): void {
  const data = repository.files[path];
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
