import { rmSync } from 'node:fs';
import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import * as z from 'zod';
import { startLineProcess } from './lineProcess.js';
import { type PeerShape, peakSchema, stepsSchema as plainStepsSchema } from './peer_shape.js';

const help = `Step time and peak memory of LoRA training with and without gradient checkpointing, one process each, in turn.

  npm run bench:checkpointing -- [--preset minilm|bert-base|all] [--threads N] [--rounds N] [--steps N]`;

const bert = { modelType: 'bert', extra: {}, heads: 12, vocabSize: 30522, maxPositions: 512, rank: 8, alpha: 16 };
const learned = { objective: 'classes', passage: 0, learned: 0 } as const;
const linears = ['query', 'key', 'value', 'attention.output.dense', 'intermediate.dense', 'output.dense'];
/** As in bench/peer_torch.py. */
const presets: Readonly<Record<string, PeerShape>> = {
  minilm: {
    ...bert,
    ...learned,
    ...{ hiddenSize: 384, layers: 6, intermediateSize: 1536, batch: 16, sequence: 32, targets: linears },
  },
  'bert-base': {
    ...bert,
    ...learned,
    ...{ hiddenSize: 768, layers: 12, intermediateSize: 3072, batch: 8, sequence: 128, targets: ['query', 'value'] },
  },
};
const dropout = 0.1;
const modes = ['kept', 'checkpointing'] as const;
const stepsSchema = plainStepsSchema.extend({ cpuSeconds: z.array(z.number()) });
const smallSchema = z.object({ rssBytes: z.number() });

async function measure(name: string, shape: PeerShape, { threads, rounds, steps }: Record<string, number>) {
  const folder = await mkdtemp(join(tmpdir(), 'diffora-bench-'));
  const clean = () => rmSync(folder, { recursive: true, force: true });
  process.once('exit', clean);
  const beside = (file: string) => fileURLToPath(new URL(file, import.meta.url));
  const tsx = (file: string, ...args: string[]) => ['--import', 'tsx', beside(file), ...args];
  const written = startLineProcess('Writing weights', process.execPath, [
    ...tsx('peer_weights.ts', folder, JSON.stringify(shape), `${dropout}`),
  ]);
  await written.ask().catch((error: Error) => {
    if (!error.message.includes('exit code 0')) throw error;
  });
  const sides = modes.map((mode) => {
    const args = tsx('peer_ours.ts', folder, JSON.stringify(shape), `${threads}`, mode);
    const started = startLineProcess(mode, process.execPath, args);
    return { mode, process: started, seconds: [] as number[], cpuSeconds: [] as number[], loss: 0, base: 0 };
  });
  for (const side of sides) {
    await side.process.ask();
    side.base = smallSchema.parse(await side.process.ask('small')).rssBytes;
    await side.process.ask('step 1');
  }
  for (let round = 0; round < rounds!; round++) {
    for (const side of round % 2 === 0 ? sides : sides.toReversed()) {
      const { seconds, cpuSeconds, loss } = stepsSchema.parse(await side.process.ask(`step ${steps}`));
      side.seconds.push(...seconds);
      side.cpuSeconds.push(...cpuSeconds);
      side.loss = loss;
    }
  }
  console.log(`${name}: batch ${shape.batch}x${shape.sequence}, dropout ${dropout}, ${threads} threads`);
  const mebibytes = (bytes: number) => `${(bytes / 2 ** 20).toFixed(0)} MiB`.padStart(9);
  const results: { time: number; cpu: number; peak: number; activations: number }[] = [];
  for (const { mode, process: started, seconds, cpuSeconds, loss, base } of sides) {
    const { peakRssBytes: peak } = peakSchema.parse(await started.ask('quit'));
    const [time, cpu] = [median(seconds), median(cpuSeconds)];
    results.push({ time, cpu, peak, activations: peak - base });
    const durations = [time, cpu].map((value) => `${(1000 * value).toFixed(0).padStart(6)} ms`);
    const memory = `peak ${mebibytes(peak)}, above a small step ${mebibytes(peak - base)}`;
    console.log(`  ${mode.padEnd(14)} step ${durations[0]}, of processors ${durations[1]}, ${memory}, loss ${loss}`);
  }
  const [kept, checkpointing] = results as [(typeof results)[0], (typeof results)[0]];
  const change = (key: keyof typeof kept) => `${(100 * (checkpointing[key] / kept[key] - 1)).toFixed(0)} %`;
  const changes = (['time', 'cpu', 'peak', 'activations'] as const).map(change);
  console.log(
    `  step ${changes[0]}, of processors ${changes[1]}, peak ${changes[2]}, above a small step ${changes[3]}`,
  );
  clean();
}

function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[values.length >> 1]!;
}

const { values } = parseArgs({
  options: {
    preset: { type: 'string', default: 'all' },
    threads: { type: 'string', default: '2' },
    rounds: { type: 'string', default: '5' },
    steps: { type: 'string', default: '3' },
    help: { type: 'boolean', default: false },
  },
});
if (values.help) console.log(help);
else {
  const counts = { threads: Number(values.threads), rounds: Number(values.rounds), steps: Number(values.steps) };
  for (const [name, shape] of Object.entries(presets)) {
    if (values.preset === 'all' || values.preset === name) await measure(name, shape, counts);
  }
}
