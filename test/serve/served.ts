import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import OpenAI from 'openai';
import { afterAll, beforeAll, expect } from 'vitest';
import { type RunningServer, type ServeOptions, serve } from '../../src/index.js';
import { letterModel, temporaryFolder } from '../cli/run.js';

/** A causal model of letters; with `template`, one that chats. */
export async function writer(folder: string, template = true): Promise<string> {
  await letterModel('llama', folder);
  const path = join(folder, 'tokenizer_config.json');
  const config = JSON.parse(await readFile(path, 'utf8'));
  const chat =
    '{% for m in messages %}{{ m.role[0] }} {{ m.content }} {% endfor %}{% if add_generation_prompt %}a{% endif %}';
  await writeFile(path, JSON.stringify({ ...config, ...(template ? { chat_template: chat } : {}) }));
  return folder;
}

/** A client of a server that gives up at the first failure. */
export function clientOf({ url }: RunningServer, apiKey = 'any'): OpenAI {
  return new OpenAI({ baseURL: `${url}/v1`, apiKey, maxRetries: 0 });
}

/** Sends a body as it is. */
export function post(
  { url }: RunningServer,
  path: string,
  body: string | object,
  headers: Record<string, string> = {},
) {
  return fetch(`${url}${path}`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...headers },
    body: typeof body === 'string' ? body : JSON.stringify(body),
  });
}

/** A server for the tests of a file, and what it serves. @param make what it serves, from a folder of its own */
export function servedFor(make: (path: (...parts: string[]) => string) => Promise<ServeOptions>) {
  let folder: Awaited<ReturnType<typeof temporaryFolder>>;
  let server: RunningServer;
  beforeAll(async () => {
    folder = await temporaryFolder();
    server = await serve({ port: 0, threads: 1, ...(await make(folder.path)) });
  });
  afterAll(async () => {
    await server?.close();
    await folder.remove();
  });
  return {
    get server() {
      return server;
    },
    path: (...parts: string[]) => folder.path(...parts),
  };
}

/** What has the same numbers but for their rounding, which differs between runs of other sizes. */
export function nearly(value: unknown): unknown {
  if (typeof value === 'number') return expect.closeTo(value, 4);
  if (Array.isArray(value)) return value.map(nearly);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([key, one]) => [key, nearly(one)]));
}
