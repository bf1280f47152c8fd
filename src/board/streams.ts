import type { FastifyReply, FastifyRequest } from 'fastify';
import { ApiError } from '../serve/apiError.js';
import type { Library } from './library.js';
import type { BoardEvent } from './view.js';

/** Streams that are open at a time: pages of one person. */
const most = 32;
/** Bytes that a page may be behind before its stream is ended; it opens another and reads anew. */
const mostBehind = 4 * 2 ** 20;
/** Milliseconds between two signs of life. */
const breath = 15_000;

/** Tells pages of changes, as server-sent events. */
export class EventStreams {
  private readonly open = new Set<() => void>();

  constructor(private readonly library: Library) {}

  /**
   * Answers a request with events until its page goes away.
   * @param watched the run whose points are told too
   * @throws ApiError (429) where there are too many
   */
  answer(_request: FastifyRequest, reply: FastifyReply, watched: string | undefined): void {
    if (this.open.size >= most) {
      throw new ApiError(429, `${most} pages listen already, as many as this board takes. Close some of them.`, {
        code: 'too_many_streams',
        retryAfter: 5,
      });
    }
    reply.hijack();
    const { raw } = reply;
    const headers = Object.fromEntries(Object.entries(reply.getHeaders()).filter(([, value]) => value !== undefined));
    raw.writeHead(200, {
      ...(headers as Record<string, string>),
      'content-type': 'text/event-stream; charset=utf-8',
      'cache-control': 'no-store',
      connection: 'keep-alive',
    });
    raw.write('retry: 1000\n\n');
    const send = (event: BoardEvent) => {
      if (event.type !== 'changed' && event.id !== watched) return;
      if (raw.writableLength > mostBehind) end();
      else raw.write(`data: ${JSON.stringify(event)}\n\n`);
    };
    const stop = this.library.listen(send);
    const alive = setInterval(() => raw.write(': \n\n'), breath);
    alive.unref();
    const end = () => {
      clearInterval(alive);
      stop();
      this.open.delete(end);
      raw.end();
    };
    this.open.add(end);
    raw.on('close', end);
  }

  close(): void {
    for (const end of [...this.open]) end();
  }
}
