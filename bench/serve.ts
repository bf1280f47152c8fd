/**
 * A server under load, in a process of its own, by clients on loopback in this one: one at a time and many at once, in turn.
 *
 * Classification of single sentences with MiniLM and a LoRA adapter: requests a second by 1 and by 16 clients, then 1,000 requests by
 * 32, of which none may be lost, and the memory from round to round. With DIFFORA_SMOLLM2 (a GGUF file) also texts, for
 * 1 client and for 8. Beside the clock the server's processor time, which a busy machine does not stretch.
 *
 *     npm run bench:serve -- [classification|texts] [--rounds 3] [--threads 2] [--requests 1000] [--tokens 64]
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { loadModel, taskFromExamples, train } from '../src/index.js';

const { values: flags, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    rounds: { type: 'string', default: '3' },
    threads: { type: 'string', default: '2' },
    requests: { type: 'string', default: '1000' },
    tokens: { type: 'string', default: '64' },
  },
});
const [rounds, requests] = [Number(flags.rounds), Number(flags.requests)];

const sentences = [
  'The parcel arrived two days late, but it works well.',
  'Broke on the first day.',
  'I would buy it again without a second thought.',
  'The manual is in a language that nobody here can read.',
  'Good value, and the colour is as in the picture.',
  'Support never answered any of my three letters.',
  'Light, quiet and easy to clean.',
  'It smells of plastic and the lid does not close.',
];

/** A server that runs, and how it is asked. */
interface Server {
  ask(path: string, body: object): Promise<{ readonly status: number; readonly body: Body }>;
  /** Resident memory in MB, and seconds of processor time. */
  measure(): Promise<{ readonly memory: number; readonly processor: number }>;
  end(): Promise<void>;
}

interface Body {
  readonly usage: { readonly completion_tokens: number };
}

async function startServer(...args: readonly string[]): Promise<Server> {
  const main = fileURLToPath(new URL('../src/cli/main.ts', import.meta.url));
  const all = ['--import', 'tsx', main, 'serve', '--port', '0', '--threads', flags.threads, ...args];
  const child = spawn(process.execPath, all, { stdio: ['ignore', 'ignore', 'pipe'] });
  let url: string | undefined;
  for await (const line of createInterface(child.stderr)) {
    url = /Listening on (\S+),/.exec(line)?.[1];
    if (url !== undefined) break;
  }
  if (url === undefined) throw new Error('the server did not start');
  child.stderr.resume();
  return {
    async ask(path, body) {
      const headers = { 'content-type': 'application/json' };
      const response = await fetch(`${url}${path}`, { method: 'POST', headers, body: JSON.stringify(body) });
      return { status: response.status, body: (await response.json()) as Body };
    },
    async measure() {
      const text = await (await fetch(`${url}/metrics`)).text();
      const read = (name: string) => Number(new RegExp(`^${name} (\\S+)$`, 'm').exec(text)![1]);
      return { memory: read('process_resident_memory_bytes') / 1e6, processor: read('process_cpu_seconds_total') };
    },
    async end() {
      child.kill('SIGTERM');
      await once(child, 'close');
    },
  };
}

/** Asks `count` times by so many clients, each of which asks again when it has its answer. */
async function load(clients: number, count: number, ask: (i: number) => Promise<void>) {
  const times: number[] = [];
  let next = 0;
  const client = async () => {
    while (next < count) {
      const started = performance.now();
      await ask(next++);
      times.push(performance.now() - started);
    }
  };
  const started = performance.now();
  await Promise.all(Array.from({ length: clients }, client));
  return { seconds: (performance.now() - started) / 1000, times: times.sort((a, b) => a - b) };
}

const quantile = (sorted: readonly number[], share: number) => sorted[Math.ceil(share * sorted.length) - 1]!;
const median = (values: readonly number[]) =>
  quantile(
    [...values].sort((a, b) => a - b),
    0.5,
  );
const shown = (values: readonly number[], digits = 1) => values.map((value) => value.toFixed(digits)).join(', ');

/** Work by few and by many clients, in turn: how much is done in a second, of the clock and of the server's processor time. */
async function compared(
  name: string,
  unit: string,
  clients: readonly [number, number],
  server: Server,
  work: (clients: number) => Promise<{ readonly seconds: number; readonly count: number }>,
): Promise<void> {
  const found = clients.map(() => ({ clock: [] as number[], processor: [] as number[] }));
  for (let round = 0; round < rounds; round++) {
    for (const [i, count] of clients.entries()) {
      const before = await server.measure();
      const done = await work(count);
      const after = await server.measure();
      found[i]!.clock.push(done.count / done.seconds);
      found[i]!.processor.push(done.count / (after.processor - before.processor));
    }
  }
  for (const [i, { clock, processor }] of found.entries()) {
    console.log(
      `${name}, ${clients[i]} clients: ${shown(clock)} ${unit} a second, ${shown(processor)} a second of processor time`,
    );
  }
  for (const of of ['clock', 'processor'] as const) {
    const ratios = found[1]![of].map((many, round) => many / found[0]![of][round]!);
    console.log(`${name}, ${of}: ${shown(ratios, 2)} times as many, median ${median(ratios).toFixed(2)}`);
  }
}

async function classification(folder: string): Promise<void> {
  const rows = sentences.flatMap((text, i) =>
    [1, 2, 3].map((n) => ({ text: `${text} ${n}`, label: i % 2 ? 'bad' : 'good' })),
  );
  const adapter = await train(await loadModel('sentence-transformers/all-MiniLM-L6-v2'), taskFromExamples(rows), {
    method: 'lora',
    maxSteps: 2,
    maxLength: 64,
  });
  await adapter.save(join(folder, 'reviews'));
  await adapter.close();
  const server = await startServer('--adapter', join(folder, 'reviews'));
  let lost = 0;
  const ask = async (i: number) => {
    const { status } = await server.ask('/v1/classify', { model: 'reviews', input: sentences[i % sentences.length]! });
    if (status !== 200) lost++;
  };
  await load(16, 200, ask);
  await compared('classification', 'requests', [1, 16], server, async (clients) => {
    const count = 200 * Math.min(clients, 4);
    const { seconds } = await load(clients, count, ask);
    return { seconds, count };
  });
  const alone = await load(1, 200, ask);
  lost = 0;
  const memory = [(await server.measure()).memory];
  for (let round = 0; round < rounds; round++) {
    const { times, seconds } = await load(32, requests, ask);
    memory.push((await server.measure()).memory);
    const [p50, p99] = [quantile(times, 0.5), quantile(times, 0.99)];
    console.log(
      `${requests} requests by 32 clients: ${lost} lost, ${(requests / seconds).toFixed(1)} a second, p50 ${p50.toFixed(1)} ms, p99 ${p99.toFixed(1)} ms`,
    );
  }
  console.log(
    `one at a time: p50 ${quantile(alone.times, 0.5).toFixed(1)} ms, p99 ${quantile(alone.times, 0.99).toFixed(1)} ms`,
  );
  console.log(`resident memory before and after each round: ${shown(memory, 0)} MB`);
  await server.end();
}

async function generation(model: string): Promise<void> {
  const server = await startServer('--model', model);
  const name = model
    .split('/')
    .at(-1)!
    .replace(/\.gguf$/, '');
  let tokens = 0;
  const ask = async (i: number) => {
    const messages = [{ role: 'user', content: `Tell a story of ${i + 2} rivers, and where they lead.` }];
    const { body } = await server.ask('/v1/chat/completions', {
      model: name,
      messages,
      temperature: 0,
      max_tokens: Number(flags.tokens),
    });
    tokens += body.usage.completion_tokens;
  };
  await ask(0);
  await compared('texts', 'tokens', [1, 8], server, async (clients) => {
    tokens = 0;
    const { seconds } = await load(clients, 2 * clients, ask);
    return { seconds, count: tokens };
  });
  console.log(`resident memory at the end: ${(await server.measure()).memory.toFixed(0)} MB`);
  await server.end();
}

const folder = await mkdtemp(join(tmpdir(), 'diffora-bench-serve-'));
try {
  if (positionals[0] !== 'texts') await classification(folder);
  const model = process.env.DIFFORA_SMOLLM2;
  if (model !== undefined && positionals[0] !== 'classification') await generation(model);
} finally {
  await rm(folder, { recursive: true });
}
