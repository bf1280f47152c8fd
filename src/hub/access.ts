import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { unescape as decoded } from 'node:querystring';
import { DiffoError } from '../errors.js';
import { type Environment, hubHome } from '../files/caches.js';
import { withoutLogin } from '../secrets.js';
import type { HubAccess } from './fetch.js';

const DEFAULT_ENDPOINT = 'https://huggingface.co';

/** Where the hub is, without the login that the address may name. */
export function hubEndpoint(env: Environment): string {
  return withoutLogin(env.HF_ENDPOINT || DEFAULT_ENDPOINT).replace(/\/+$/, '');
}

/** What the address names as user and password, as a header; `fetch` takes no such address. */
export function hubLogin(env: Environment): string | undefined {
  const url = env.HF_ENDPOINT || DEFAULT_ENDPOINT;
  if (!URL.canParse(url)) return undefined;
  const { username, password } = new URL(url);
  if (username === '' && password === '') return undefined;
  return `Basic ${Buffer.from(`${decoded(username)}:${decoded(password)}`).toString('base64')}`;
}

/** HF_HUB_OFFLINE or TRANSFORMERS_OFFLINE, with the values that Python takes for true. */
export function isOffline(env: Environment): boolean {
  return [env.HF_HUB_OFFLINE, env.TRANSFORMERS_OFFLINE].some((value) => /^(1|on|yes|true)$/i.test(value ?? ''));
}

/** @throws DiffoError when HF_ENDPOINT is no URL, or what should be a token is none */
export async function hubAccess(hubUrl: string, fetch: HubAccess['fetch'], env: Environment): Promise<HubAccess> {
  const { token: accessToken, from } = await findToken(env);
  // What no header takes would be quoted whole in the error of `fetch`.
  if (accessToken && !/^hf_[!-~]*$/.test(accessToken)) {
    throw new DiffoError(
      `${from} is not a token of the hub: those start with "hf_" and are plain letters and digits. Correct it or unset it.`,
    );
  }
  if (!URL.canParse(hubUrl)) {
    throw new DiffoError(`HF_ENDPOINT is not a URL: ${hubUrl}. Correct it or unset it.`);
  }
  return accessToken ? { hubUrl, fetch, accessToken } : { hubUrl, fetch };
}

/** Where Python looks: HF_TOKEN, HUGGING_FACE_HUB_TOKEN, then the file that `hf auth login` writes. */
async function findToken(env: Environment): Promise<{ token: string; from: string }> {
  for (const from of ['HF_TOKEN', 'HUGGING_FACE_HUB_TOKEN']) {
    const token = env[from]?.trim();
    if (token) return { token, from };
  }
  const from = env.HF_TOKEN_PATH || join(hubHome(env), 'token');
  const token = await readFile(from, 'utf8').catch(() => '');
  return { token: token.trim(), from };
}
