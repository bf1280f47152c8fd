import type { ServerResponse } from 'node:http';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { DiffoError } from '../errors.js';
import { ApiError } from './apiError.js';
import type { RouteAnswer } from './route.js';

/** A signal that is aborted once the client goes away before it has its answer. */
export function clientSignal({ raw }: FastifyReply): AbortSignal {
  const controller = new AbortController();
  raw.on('close', () => {
    if (!raw.writableFinished) controller.abort(new ApiError(499, 'The client has gone away.'));
  });
  return controller.signal;
}

/**
 * Sends what a route gives: an object as JSON, events as they come (server-sent events, ended by `[DONE]`).
 * An error between events is the last of them, since the status has been sent by then.
 */
export async function sendAnswer(answer: RouteAnswer, reply: FastifyReply): Promise<void> {
  if ('object' in answer) {
    await reply.send(answer.object);
    return;
  }
  reply.hijack();
  const { raw } = reply;
  raw.writeHead(200, {
    'content-type': 'text/event-stream; charset=utf-8',
    'cache-control': 'no-cache',
    connection: 'keep-alive',
    'x-accel-buffering': 'no',
  });
  try {
    for await (const event of answer.events) sendEvent(raw, JSON.stringify(event));
    sendEvent(raw, '[DONE]');
  } catch (error) {
    sendEvent(raw, JSON.stringify(apiErrorOf(error).body));
  }
  raw.end();
}

// A text is short: what a slow client has not read yet is held, and the texts of others go on.
function sendEvent(raw: ServerResponse, data: string): void {
  if (!raw.destroyed) raw.write(`data: ${data}\n\n`);
}

/** Sends an error in OpenAI's form. */
export function sendError(error: unknown, _request: FastifyRequest, reply: FastifyReply): FastifyReply {
  const found = apiErrorOf(error);
  const { retryAfter } = found.options;
  if (retryAfter !== undefined) reply.header('retry-after', String(retryAfter));
  return reply.code(found.status).send(found.body);
}

/** An error as it is told. What nobody foresaw is told as such, without its insides. */
export function apiErrorOf(error: unknown): ApiError {
  if (error instanceof ApiError) return error;
  if (error instanceof DiffoError) return new ApiError(error.exitCode === 2 ? 400 : 500, error.message);
  const { statusCode, code, message } = error as { statusCode?: number; code?: string; message?: string };
  if (statusCode !== undefined && statusCode < 500) return new ApiError(statusCode, sentenceOf(code, message));
  return new ApiError(500, 'This is a defect of the server and no fault of the request.');
}

/** What Fastify finds wrong with a request before a route sees it. */
function sentenceOf(code: string | undefined, message = 'The request cannot be read.'): string {
  if (code === 'FST_ERR_CTP_BODY_TOO_LARGE') return 'The body is larger than this server takes (--max-body).';
  if (code === 'FST_ERR_CTP_INVALID_MEDIA_TYPE') return 'Send JSON, with the header content-type: application/json.';
  if (code === 'FST_ERR_CTP_EMPTY_JSON_BODY') return 'The body is empty. Send a JSON object.';
  if (code === 'FST_ERR_CTP_INVALID_JSON_BODY') {
    return 'The body is not valid JSON. Check its quotes, commas and brackets, and that all of it was sent.';
  }
  if (code === undefined) return `The body is not valid JSON (${message}).`;
  return message;
}
