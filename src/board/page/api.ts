/** A sentence of the server about what it cannot do. */
export class Refused extends Error {}

/** Asks the server, and gives its answer. @throws Refused with the server's own sentence */
export async function ask<T>(
  path: string,
  query: Readonly<Record<string, string | readonly string[]>> = {},
): Promise<T> {
  return answerOf<T>(await reach(`${path}${queryOf(query)}`));
}

/** The same, as it was written. @throws Refused */
export async function askText(path: string): Promise<string> {
  return (await reach(path)).text();
}

/** Tells the server to do something. @throws Refused */
export async function tell<T>(path: string, body: unknown, signal?: AbortSignal): Promise<T> {
  return answerOf<T>(await sendTo(path, body, signal));
}

/** The bare response. @throws Refused */
export function sendTo(path: string, body: unknown, signal?: AbortSignal): Promise<Response> {
  const init = { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) };
  return reach(path, signal === undefined ? init : { ...init, signal });
}

export function queryOf(query: Readonly<Record<string, string | readonly string[]>>): string {
  const search = new URLSearchParams();
  for (const [name, value] of Object.entries(query)) {
    for (const one of typeof value === 'string' ? [value] : value) search.append(name, one);
  }
  const text = search.toString();
  return text === '' ? '' : `?${text}`;
}

async function reach(path: string, init: RequestInit = {}): Promise<Response> {
  const response = await fetch(path, init).catch((error: unknown) => {
    if (error instanceof DOMException && error.name === 'AbortError') throw error;
    throw new Refused('The board does not answer. It may have been ended in its terminal.');
  });
  if (response.ok) return response;
  const body: unknown = await response.json().catch(() => undefined);
  const message = (body as { error?: { message?: unknown } } | undefined)?.error?.message;
  throw new Refused(typeof message === 'string' ? message : `The board answered with ${response.status}.`);
}

async function answerOf<T>(response: Response): Promise<T> {
  return (await response.json()) as T;
}

export const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));
