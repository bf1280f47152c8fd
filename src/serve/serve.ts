import type { AddressInfo } from 'node:net';
import { DiffoError } from '../errors.js';
import { errorCode } from '../files/errors.js';
import type { LoadedModel } from '../models/loading/loadModel.js';
import type { TaskType } from '../models/model.js';
import { oneAtATime } from '../oneAtATime.js';
import { type ProgressOptions, silent } from '../reporter.js';
import { releaseAll } from '../runtime/release.js';
import { admission } from './admission.js';
import { httpServer } from './httpServer.js';
import { openModels } from './openModels.js';
import { serverMetrics } from './serverMetrics.js';
import { isLoopback, parseServeSettings, type ServeSettings, type ServeSettingsInput } from './settings.js';

/** What is served, and how. */
export interface ServeOptions extends ServeSettingsInput, ProgressOptions {
  /** Adapter or run folders, all of one base. Each is a model, called as its folder. */
  readonly adapters?: readonly string[] | undefined;
  /** The base of the adapters; served itself, too. Left out, that which the adapters name. */
  readonly model?: string | LoadedModel | undefined;
  /** What the outputs of the model are, where an adapter does not say it. */
  readonly taskType?: TaskType | undefined;
  /** Take a base that is not the one that the adapters were trained on, with a warning. */
  readonly anyBase?: boolean | undefined;
}

/** A server that listens. */
export interface RunningServer extends AsyncDisposable {
  /** Where it listens: `http://127.0.0.1:8080`. */
  readonly url: string;
  readonly port: number;
  /** Names of what it serves. */
  readonly models: readonly string[];
  /** Takes no new requests, finishes those under way, and frees the memory. A second call does nothing. */
  close(): Promise<void>;
}

/**
 * Serves adapters and models over HTTP as OpenAI's clients speak it: chat and plain completions, embeddings, and answers of what
 * adapters were trained for. Requests that come together are run together.
 *
 * @throws DiffoError where a folder is no adapter, two have one name, or the port is in use
 * @example
 * await using server = await serve({ adapters: ['runs/reviews'], port: 8080 });
 * console.log(server.url, server.models);
 */
export async function serve(options: ServeOptions): Promise<RunningServer> {
  const { adapters = [], model, taskType, anyBase, reporter = silent, signal, ...given } = options;
  const settings = parseServeSettings(given);
  const { host, apiKey, maxBatch, maxBody, threads, device } = settings;
  const admitted = admission(settings.maxQueue);
  const metrics = serverMetrics(() => admitted.underWay);
  const shared = { threads, maxBatch, metrics, inTurn: oneAtATime() };
  const models = await openModels({ ...shared, device, adapters, model, taskType, anyBase, reporter, signal });
  const app = httpServer({ models, metrics, admission: admitted, apiKey, maxBody });
  let closing: Promise<void> | undefined;
  const close = () => {
    closing ??= app.close().then(() => releaseAll(models));
    return closing;
  };
  try {
    // What cannot be compiled is to be known before anyone asks.
    for (const { answering, writing } of models) await (answering ?? writing)?.();
    signal?.throwIfAborted();
    await app.listen({ port: settings.port, host });
  } catch (error) {
    await close();
    throw listenError(error, settings);
  }
  if (!isLoopback(host) && apiKey === undefined) {
    reporter.warn(
      `Whoever reaches ${host} may use this server: it asks for no key. Give --api-key, or keep to loopback.`,
    );
  }
  const { port } = app.server.address() as AddressInfo;
  const url = `http://${host.includes(':') ? `[${host}]` : host}:${port}`;
  return { url, port, models: models.map(({ name }) => name), close, [Symbol.asyncDispose]: close };
}

/** What keeps a server from listening, as a sentence. */
export function listenError(error: unknown, { host, port }: Pick<ServeSettings, 'host' | 'port'>): unknown {
  const sentences: Readonly<Record<string, string>> = {
    EADDRINUSE: `Port ${port} of ${host} is in use. Give another with --port, or 0 for any that is free.`,
    EACCES: `Port ${port} of ${host} is not allowed to this user. Give one above 1023 with --port.`,
    EADDRNOTAVAIL: `${host} is no address of this machine. Give another with --host.`,
    ENOTFOUND: `There is no host ${host}. Give an address of this machine with --host.`,
  };
  const sentence = sentences[errorCode(error) ?? ''];
  return sentence === undefined ? error : new DiffoError(sentence, { cause: error });
}
