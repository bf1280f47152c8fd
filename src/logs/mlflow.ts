import * as z from 'zod';
import { DiffoError, usageError } from '../errors.js';
import { parseJson, reasonOf } from '../files/jsonText.js';
import { inOrder, type LogTarget } from './log.js';

const experiment = 'diffora';
/** What one call of log-batch takes (MLflow's REST API: 1,000 metrics, 100 parameters, values of 6,000 letters). */
const metricsPerCall = 1000;
const parametersPerCall = 100;
const longestValue = 6000;
const secondsPerCall = 30;

const created = z.object({ run: z.object({ info: z.object({ run_id: z.string() }) }) });
const experimentId = z.object({ experiment_id: z.string() });
const found = z.object({ experiment: experimentId });

interface Metric {
  readonly key: string;
  readonly value: number;
  readonly timestamp: number;
  readonly step: number;
}

/**
 * An MLflow server by its REST API (mlflow.org/docs, "REST API", 2.0); no client is needed. MLFLOW_TRACKING_URI says
 * where, MLFLOW_EXPERIMENT_NAME under what, MLFLOW_TRACKING_TOKEN or MLFLOW_TRACKING_USERNAME and _PASSWORD as whom.
 */
export const mlflow: LogTarget = {
  title: 'MLflow',
  isFile: false,
  async open({ name, config, warn }) {
    const uri = process.env.MLFLOW_TRACKING_URI;
    if (uri === undefined || !/^https?:\/\//.test(uri)) {
      throw usageError('--log mlflow needs the address of a server in MLFLOW_TRACKING_URI (http://…). Set it.');
    }
    const call = caller(uri);
    const experimentName = process.env.MLFLOW_EXPERIMENT_NAME ?? experiment;
    const id =
      (await call('GET', `experiments/get-by-name?experiment_name=${encodeURIComponent(experimentName)}`, found))
        ?.experiment.experiment_id ??
      (await call('POST', 'experiments/create', experimentId, { name: experimentName }))!.experiment_id;
    const start = { experiment_id: id, run_name: name, start_time: Date.now() };
    const { run_id } = (await call('POST', 'runs/create', created, start))!.run.info;
    const nothing = z.unknown();
    const params = parametersOf(config);
    for (let i = 0; i < params.length; i += parametersPerCall) {
      await call('POST', 'runs/log-batch', nothing, { run_id, params: params.slice(i, i + parametersPerCall) });
    }
    const queue = inOrder('The log of MLflow', warn);
    let waiting: Metric[] = [];
    const flush = () => {
      const metrics = waiting;
      waiting = [];
      if (metrics.length > 0)
        queue.add(async () => void (await call('POST', 'runs/log-batch', nothing, { run_id, metrics })));
    };
    return {
      scalars: (values, step) => {
        const timestamp = Date.now();
        // JSON has no NaN, and the server no wish for one.
        const finite = Object.entries(values).filter(([, value]) => Number.isFinite(value));
        if (waiting.length + finite.length > metricsPerCall) flush();
        waiting.push(...finite.map(([key, value]) => ({ key, value, timestamp, step })));
        if (Date.now() - waiting[0]!.timestamp > 1000) flush();
      },
      end: async (outcome) => {
        flush();
        const status = outcome === 'finished' ? 'FINISHED' : 'FAILED';
        queue.add(
          async () => void (await call('POST', 'runs/update', nothing, { run_id, status, end_time: Date.now() })),
        );
        await queue.done();
      },
    };
  },
};

/** Calls the API; undefined for what is not there. No message has the address's user or the token. */
function caller(uri: string) {
  const base = new URL(uri);
  const place = `${base.protocol}//${base.host}`;
  const {
    MLFLOW_TRACKING_TOKEN: token,
    MLFLOW_TRACKING_USERNAME: user,
    MLFLOW_TRACKING_PASSWORD: password,
  } = process.env;
  const basic = user === undefined ? undefined : `Basic ${Buffer.from(`${user}:${password ?? ''}`).toString('base64')}`;
  const authorization = token === undefined ? basic : `Bearer ${token.trim()}`;
  if (!/^[ -~]*$/.test(authorization ?? '')) {
    throw usageError('MLFLOW_TRACKING_TOKEN holds a character that no token has. Set it again.');
  }
  return async <T>(
    method: 'GET' | 'POST',
    path: string,
    schema: z.ZodType<T>,
    body?: object,
  ): Promise<T | undefined> => {
    const response = await fetch(`${place}${base.pathname.replace(/\/$/, '')}/api/2.0/mlflow/${path}`, {
      method,
      headers: { 'content-type': 'application/json', ...(authorization === undefined ? {} : { authorization }) },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      signal: AbortSignal.timeout(1000 * secondsPerCall),
    }).catch((error) => {
      throw new DiffoError(
        `The MLflow server ${place} cannot be reached (${error.cause?.code ?? error.message}). Check MLFLOW_TRACKING_URI.`,
      );
    });
    if (response.status === 404 && method === 'GET') return undefined;
    const text = await response.text().catch((error) => {
      throw new DiffoError(`The MLflow server ${place} broke its answer off (${reasonOf(error)}).`);
    });
    const asked = path.split('?')[0];
    const shown = reasonOf(text.slice(0, 200));
    if (!response.ok) {
      throw new DiffoError(`The MLflow server ${place} answered ${response.status} to ${asked}: ${shown}.`);
    }
    const other = `The MLflow server ${place} answered ${asked} with something else: ${shown}.`;
    const parsed = schema.safeParse(parseJson(text === '' ? '{}' : text, () => other));
    if (!parsed.success) throw new DiffoError(other);
    return parsed.data;
  };
}

function parametersOf(config: Readonly<Record<string, unknown>>): { key: string; value: string }[] {
  return Object.entries(config)
    .filter(([, value]) => value !== undefined)
    .map(([key, value]) => ({
      key,
      value: (typeof value === 'string' ? value : JSON.stringify(value)).slice(0, longestValue),
    }));
}
