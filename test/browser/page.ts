import { existsSync } from 'node:fs';
import { open, readFile, stat } from 'node:fs/promises';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { build } from 'esbuild';
import type { Browser, Page } from 'playwright-core';
import { hasChromium } from '../chromium.js';
import { clientFolder } from '../export/clients.js';
import { REPOSITORY } from '../shared.js';

/** onnxruntime-web, as a client of exported models brings it. */
export const runtimeFolder = (() => {
  const client = clientFolder('transformers.js');
  const folder = client && join(client, '..', '..', 'onnxruntime-web', 'dist');
  return folder !== undefined && existsSync(folder) ? folder : undefined;
})();

/** False where there is no browser, or no onnxruntime-web for it. */
export const canRun = hasChromium && runtimeFolder !== undefined;

/** The library as a page loads it, in one file. */
export async function bundle(entry = 'src/browser/index.ts') {
  const { outputFiles, metafile } = await build({
    absWorkingDir: REPOSITORY,
    entryPoints: [entry],
    bundle: true,
    minify: true,
    format: 'esm',
    platform: 'browser',
    external: ['onnxruntime-web/*'],
    metafile: true,
    write: false,
    logLevel: 'silent',
  });
  return { code: outputFiles[0]!.contents, metafile };
}

/** What a page asked for, by path: how often, and how many bytes were sent. */
export interface Asked {
  readonly path: string;
  readonly bytes: number;
  readonly range: string | undefined;
}

/** A server on this machine with the library, onnxruntime-web and folders of files. */
export interface Site {
  readonly address: string;
  readonly asked: Asked[];
  close(): Promise<void>;
}

const types: Readonly<Record<string, string>> = {
  html: 'text/html',
  js: 'text/javascript',
  mjs: 'text/javascript',
  css: 'text/css',
  wasm: 'application/wasm',
  json: 'application/json',
};

const page = `<!doctype html><meta charset="utf-8"><title>diffora</title>
<script type="importmap">{"imports":{
  "onnxruntime-web/wasm":"/runtime/ort.wasm.bundle.min.mjs",
  "onnxruntime-web/webgpu":"/runtime/ort.webgpu.bundle.min.mjs"}}</script>
<script type="module">globalThis.diffora = await import('/diffora.js'); document.title = 'ready';</script>`;

/**
 * @param folders of models by the first part of their paths
 * @param rangeless those of them whose files are sent as wholes
 */
export async function openSite(
  folders: Readonly<Record<string, string>>,
  rangeless: readonly string[] = [],
): Promise<Site> {
  const { code } = await bundle();
  const asked: Asked[] = [];
  const all: Readonly<Record<string, string>> = { ...folders, runtime: runtimeFolder! };
  const fileOf = (path: string) => {
    const [, first = '', ...rest] = path.split('/');
    return Object.hasOwn(all, first) ? join(all[first]!, ...rest) : undefined;
  };
  const answer = async (request: IncomingMessage, response: ServerResponse) => {
    const path = new URL(request.url!, 'http://localhost').pathname;
    const type = types[path.split('.').at(-1)!] ?? 'application/octet-stream';
    const send = (status: number, bytes: Uint8Array, headers: Record<string, string> = {}) => {
      asked.push({ path, bytes: bytes.length, range: request.headers.range });
      response.writeHead(status, { 'content-type': type, 'content-length': String(bytes.length), ...headers });
      response.end(bytes);
    };
    if (path === '/') return send(200, Buffer.from(page), { 'content-type': 'text/html' });
    if (path === '/diffora.js') return send(200, code);
    const file = fileOf(path);
    if (file === undefined || !existsSync(file)) return send(404, Buffer.from('not here'));
    const { size, mtimeMs } = await stat(file);
    const range = /^bytes=(\d+)-(\d+)$/.exec(request.headers.range ?? '');
    if (range === null || rangeless.includes(path.split('/')[1]!)) return send(200, await readFile(file));
    const [start, end] = [Number(range[1]), Math.min(Number(range[2]), size - 1)];
    const handle = await open(file, 'r');
    const bytes = new Uint8Array(end - start + 1);
    await handle.read(bytes, 0, bytes.length, start);
    await handle.close();
    send(206, bytes, { 'content-range': `bytes ${start}-${end}/${size}`, etag: `"${mtimeMs}"` });
  };
  const server: Server = createServer((request, response) => {
    answer(request, response).catch((error: unknown) => {
      response.writeHead(500);
      response.end(String(error));
    });
  });
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
  return {
    address: `http://127.0.0.1:${(server.address() as AddressInfo).port}/`,
    asked,
    close: () => new Promise((done) => server.close(() => done())),
  };
}

/** A page of a site in which `diffora` is loaded. @param said what goes wrong in it */
export async function openPage(
  browser: Pick<Browser, 'newPage'>,
  { address }: Site,
  said: string[] = [],
): Promise<Page> {
  const page = await browser.newPage();
  page.setDefaultTimeout(0);
  page.on('pageerror', (error) => said.push(error.message));
  // Files that a model need not have are asked for.
  page.on('console', (message) => message.text().includes('404') || said.push(message.text()));
  await page.goto(address, { timeout: 0 });
  await page.waitForFunction("document.title === 'ready'");
  return page;
}
