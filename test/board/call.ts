import { request } from 'node:http';
import type { RunningBoard } from '../../src/board/board.js';

export interface Answered {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly text: string;
}

interface Asked {
  readonly method?: string;
  readonly headers?: Readonly<Record<string, string | number>>;
  readonly body?: string;
  /** Carry no token. */
  readonly isStranger?: boolean;
}

/** Asks a board by bare HTTP: with any Host, Origin and body that a browser would not send. */
export function call(
  { port, token }: Pick<RunningBoard, 'port' | 'token'>,
  path: string,
  { method = 'GET', headers = {}, body, isStranger = false }: Asked = {},
): Promise<Answered> {
  const own = isStranger ? {} : { authorization: `Bearer ${token}` };
  return new Promise((resolve, reject) => {
    const asked = request({ host: '127.0.0.1', port, path, method, headers: { ...own, ...headers } }, (answer) => {
      let text = '';
      answer.setEncoding('utf8').on('data', (part: string) => {
        text += part;
      });
      answer.on('end', () => resolve({ status: answer.statusCode!, headers: answer.headers, text }));
    });
    asked.on('error', reject);
    asked.end(body);
  });
}

/** A view of the board as JSON. */
// biome-ignore lint/suspicious/noExplicitAny: a test reads what it expects.
export async function read(board: Pick<RunningBoard, 'port' | 'token'>, path: string): Promise<any> {
  const { status, text } = await call(board, path);
  if (status !== 200) throw new Error(`${path} gave ${status}: ${text}`);
  return JSON.parse(text);
}

/** Reads an event stream until `isEnough`, and closes it. */
export function listen(
  { port, token }: Pick<RunningBoard, 'port' | 'token'>,
  path: string,
  isEnough: (events: readonly Readonly<Record<string, unknown>>[]) => boolean,
): Promise<Readonly<Record<string, unknown>>[]> {
  return new Promise((resolve, reject) => {
    const events: Readonly<Record<string, unknown>>[] = [];
    let rest = '';
    const asked = request(
      { host: '127.0.0.1', port, path, headers: { authorization: `Bearer ${token}` } },
      (answer) => {
        answer.setEncoding('utf8').on('data', (part: string) => {
          const lines = `${rest}${part}`.split('\n');
          rest = lines.pop()!;
          events.push(...lines.filter((line) => line.startsWith('data: ')).map((line) => JSON.parse(line.slice(6))));
          if (!isEnough(events)) return;
          asked.destroy();
          resolve(events);
        });
      },
    );
    asked.on('error', (error) => (isEnough(events) ? undefined : reject(error)));
    asked.end();
  });
}
