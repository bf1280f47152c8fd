import { createHash } from 'node:crypto';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { describe, type FakeRepository, type HubServer, startHub } from '../checkpoint/hub-server.js';

/** A repository that is pushed to. */
export interface PushedRepository extends FakeRepository {
  readonly files: Record<string, Buffer>;
  isPrivate: boolean;
  /** Branches and the commits that they are at. All have the same files. */
  readonly branches: Map<string, string>;
  /** First lines of commits, with the branch. */
  readonly commits: string[];
}

export interface PushHub extends Omit<HubServer, 'intercept'> {
  readonly repositories: Record<string, PushedRepository>;
  /** Headers of every request for large files, which go to a server of their own. */
  readonly storage: { readonly method: string; readonly authorization: string | undefined; readonly part?: number }[];
  /** Set to change how either server answers; returns true when it has. */
  intercept: ((request: IncomingMessage, response: ServerResponse) => boolean) | undefined;
}

export interface PushHubOptions {
  /** Large files from so many bytes on are sent in parts of so many. */
  readonly chunk?: number;
  /** What the hub counts as large. */
  readonly lfsFrom?: number;
}

const json = (response: ServerResponse, status: number, body: unknown) =>
  response.writeHead(status, { 'content-type': 'application/json; charset=utf-8' }).end(JSON.stringify(body));
let commits = 0;
export const newCommit = () => String(++commits).padStart(40, '0');
const sha256 = (data: Buffer) => createHash('sha256').update(data).digest('hex');

async function bodyOf(request: IncomingMessage): Promise<Buffer> {
  const pieces: Buffer[] = [];
  for await (const piece of request) pieces.push(piece as Buffer);
  return Buffer.concat(pieces);
}

/**
 * The routes of the hub that an upload takes, as @huggingface/hub calls them: repository, branch, preupload, LFS batch,
 * LFS content (whole or in parts), commit. A large file is in a commit only when its bytes have arrived with the size and
 * the hash that were announced. What was pushed is read back by the routes of {@link startHub}.
 */
export async function startPushHub(token: string, options: PushHubOptions = {}): Promise<PushHub> {
  const { chunk, lfsFrom = 1_000 } = options;
  const repositories: Record<string, PushedRepository> = {};
  const hub = await startHub(repositories, token);
  const storage: PushHub['storage'][number][] = [];
  /** Large files by their hash, and parts of those that are not complete. */
  const objects = new Map<string, Buffer>();
  const parts = new Map<string, Map<number, Buffer>>();

  const store = createServer((request, response) => {
    if (pushHub.intercept?.(request, response)) return;
    void storeContent(request, response).catch(() => response.destroy());
  });
  await new Promise<void>((resolve) => store.listen(0, '127.0.0.1', resolve));
  const storeUrl = `http://127.0.0.1:${(store.address() as AddressInfo).port}`;

  async function storeContent(request: IncomingMessage, response: ServerResponse) {
    const [, oid, size, part] = /^\/([0-9a-f]{64})\/(\d+)(?:\/(\d+))?$/.exec(request.url!)!;
    const { authorization } = request.headers;
    storage.push({ method: request.method!, authorization, ...(part ? { part: Number(part) } : {}) });
    const body = await bodyOf(request);
    if (request.method === 'PUT' && part !== undefined) {
      parts.set(oid!, (parts.get(oid!) ?? new Map()).set(Number(part), body));
      response.writeHead(200, { etag: `"${sha256(body)}"` }).end();
      return;
    }
    let whole = body;
    if (request.method === 'POST') {
      const asked = JSON.parse(body.toString()) as { oid: string; parts: { partNumber: number; etag: string }[] };
      const arrived = parts.get(asked.oid)!;
      const wrong = asked.parts.find((one) => one.etag !== `"${sha256(arrived.get(one.partNumber)!)}"`);
      if (wrong !== undefined) return void json(response, 400, { error: `part ${wrong.partNumber} is another` });
      whole = Buffer.concat(asked.parts.map((one) => arrived.get(one.partNumber)!));
    }
    if (whole.length !== Number(size) || sha256(whole) !== oid) {
      return void json(response, 400, { error: 'the content is not what was announced' });
    }
    objects.set(oid!, whole);
    response.writeHead(200).end();
  }

  function answer(request: IncomingMessage, response: ServerResponse): boolean {
    if (pushHub.intercept?.(request, response)) return true;
    if (request.headers.authorization !== `Bearer ${token}`) return false;
    const { pathname } = new URL(request.url!, 'http://hub');
    const info = /^\/api\/models\/(.+?)\/revision\/([^/]+)$/.exec(pathname);
    if (info) {
      const found = repositories[info[1]!];
      const revision = decodeURIComponent(info[2]!);
      const sha = found?.branches.get(revision === 'HEAD' ? 'main' : revision);
      if (found === undefined) json(response, 404, { error: 'Repository not found' });
      else if (sha === undefined) json(response, 404, { error: `Invalid rev id: ${revision}` });
      else json(response, 200, { _id: 'x', id: info[1], sha, private: found.isPrivate, downloads: 0, likes: 0 });
      return true;
    }
    const isWrite = request.method === 'POST';
    if (isWrite) void write(pathname, request, response).catch(() => response.destroy());
    return isWrite;
  }

  async function write(path: string, request: IncomingMessage, response: ServerResponse) {
    const text = (await bodyOf(request)).toString();
    if (path === '/api/repos/create') {
      const { name, organization, type, visibility } = JSON.parse(text);
      const repo = `${organization}/${name}`;
      if (type !== 'model') return json(response, 400, { error: 'no model' });
      if (repositories[repo]) return json(response, 409, { error: 'You already created this model repo' });
      const isPrivate = visibility === 'private';
      repositories[repo] = { files: {}, isPrivate, branches: new Map([['main', newCommit()]]), commits: [], lfsFrom };
      return json(response, 200, { url: `${hub.endpoint}/${repo}`, id: 'x' });
    }
    const batch = /^\/(.+)\.git\/info\/lfs\/objects\/batch$/.exec(path);
    const [, ofApi, what, escaped] =
      /^\/api\/models\/(.+?)\/(branch|preupload|commit|paths-info)\/([^/]+)$/.exec(path) ?? [];
    const branch = decodeURIComponent(escaped ?? '');
    const found = repositories[batch?.[1] ?? ofApi ?? ''];
    if (found === undefined) return json(response, 404, { error: 'Repository not found' });
    if (batch) {
      const { objects: asked, transfers } = JSON.parse(text) as Batch;
      if (!transfers.includes('multipart')) return json(response, 400, { error: 'no multipart' });
      return json(response, 200, { transfer: 'basic', objects: asked.map(toUpload) });
    }
    if (what === 'branch') {
      if (found.branches.has(branch)) return json(response, 409, { error: 'Reference already exists' });
      found.branches.set(branch, found.branches.get('main')!);
      return json(response, 200, {});
    }
    if (what === 'paths-info') {
      if (![...found.branches.values()].includes(branch)) return json(response, 404, { error: 'Invalid rev id' });
      const { paths } = JSON.parse(text) as { paths: string[] };
      const there = paths.filter((path) => found.files[path]).map((path) => describe(path, found));
      return json(response, 200, there);
    }
    if (!found.branches.has(branch)) return json(response, 404, { error: `Invalid rev id: ${branch}` });
    if (what === 'preupload') {
      const { files } = JSON.parse(text) as { files: { path: string; size: number; sample: string }[] };
      const modes = files.map(({ path, size }) => ({ path, uploadMode: size >= lfsFrom ? 'lfs' : 'regular' }));
      return json(response, 200, { files: modes });
    }
    const lines = text.split('\n').map((line) => JSON.parse(line) as Line);
    const header = lines.find(({ key }) => key === 'header')!.value;
    if (header.parentCommit !== found.branches.get(branch)) {
      return json(response, 412, { error: 'A commit has happened since. Please refresh and try again.' });
    }
    const added: Record<string, Buffer> = {};
    for (const { key, value } of lines) {
      if (key === 'file') added[value.path] = Buffer.from(value.content, 'base64');
      if (key !== 'lfsFile') continue;
      const content = objects.get(value.oid);
      if (content?.length !== value.size) return json(response, 400, { error: `${value.path} has not arrived` });
      added[value.path] = content;
    }
    Object.assign(found.files, added);
    found.commits.push(`${branch}: ${header.summary}`);
    const commitOid = newCommit();
    found.branches.set(branch, commitOid);
    return json(response, 200, { commitOid, commitUrl: `${hub.endpoint}/commit`, hookOutput: '' });
  }

  function toUpload({ oid, size }: Batch['objects'][number]) {
    if (objects.has(oid)) return { oid, size };
    const href = `${storeUrl}/${oid}/${size}`;
    if (chunk === undefined || size < chunk) return { oid, size, actions: { upload: { href } } };
    const numbers = Array.from({ length: Math.ceil(size / chunk) }, (_, i) => i + 1);
    const places = numbers.map((part) => [String(part).padStart(5, '0'), `${href}/${part}`]);
    return {
      oid,
      size,
      actions: { upload: { href, header: { chunk_size: `${chunk}`, ...Object.fromEntries(places) } } },
    };
  }

  const pushHub: PushHub = {
    ...hub,
    repositories,
    storage,
    intercept: undefined,
    async close() {
      store.closeAllConnections();
      await Promise.all([hub.close(), new Promise((resolve) => store.close(resolve))]);
    },
  };
  hub.intercept = answer;
  return pushHub;
}

interface Batch {
  readonly transfers: readonly string[];
  readonly objects: readonly { readonly oid: string; readonly size: number }[];
}

interface Line {
  readonly key: 'header' | 'file' | 'lfsFile';
  readonly value: {
    readonly summary: string;
    readonly parentCommit: string;
    readonly path: string;
    readonly content: string;
  } & Batch['objects'][number];
}
