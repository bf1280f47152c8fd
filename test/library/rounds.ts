import { readdirSync } from 'node:fs';
import { setTimeout } from 'node:timers/promises';
import { loadAdapter, loadModel, type TrainSettings, taskFromExamples, train } from '../../src/index.js';
import { quickTraining, reviews } from './reviews.js';
import { countSessions } from './sessions.js';

/** What a process holds after a round of loading, training, predicting, saving and closing. */
export interface Held {
  readonly rss: number;
  /** Used in the heap of V8, and of buffers beside it. */
  readonly heap: number;
  readonly buffers: number;
  /** Open files; undefined where there is no /proc. */
  readonly files: number | undefined;
  readonly sessions: number;
}

/** Every kind of graph and state in turn. */
const { rank, ...common } = quickTraining;
const ways: readonly TrainSettings[] = [
  { rank, searchSteps: 5 },
  { rank, method: 'adalora' },
  { rank, method: 'dora', evalSteps: 4, dropout: 0.1 },
  { rank, method: 'lora', select: 'output-norm', searchSteps: 4, gradientCheckpointing: true },
  { method: 'full', lr: 1e-3 },
];

const sessions = countSessions();

async function round(model: string, folder: string, way: TrainSettings): Promise<void> {
  const loaded = await loadModel(model);
  const trained = await train(loaded, taskFromExamples(reviews), { ...common, ...way });
  const output = `${folder}/adapter`;
  await trained.save(output, { overwrite: true });
  await trained.close();
  await using adapter = await loadAdapter(output, { threads: 1 });
  await adapter.predict(reviews.map(({ text }) => String(text)));
}

function openFiles(): number | undefined {
  return process.platform === 'linux' ? readdirSync('/proc/self/fd').length : undefined;
}

async function held(): Promise<Held> {
  for (let i = 0; i < 3; i++) {
    globalThis.gc!();
    await setTimeout(10);
  }
  const { rss, heapUsed, external } = process.memoryUsage();
  return { rss, heap: heapUsed, buffers: external, files: openFiles(), sessions: sessions.open };
}

// Arguments: the model, a folder to write into, and how many rounds.
const [model, folder, rounds] = process.argv.slice(2);
const all: Held[] = [];
for (let i = 0; i < Number(rounds); i++) {
  await round(model!, folder!, ways[i % ways.length]!);
  all.push(await held());
}
process.stdout.write(JSON.stringify({ opened: sessions.opened, rounds: all }));
