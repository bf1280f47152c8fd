import { loraPlan } from '../src/adapters/methods/lora.js';
import { openCheckpoint } from '../src/checkpoint/open.js';
import type { EncodedExample } from '../src/engine/batch.js';
import { adapterParameters, countParameters, headParameters } from '../src/engine/parameters.js';
import { trainParameters } from '../src/engine/training.js';
import { openModel } from '../src/models/registry.js';
import { launchOf } from '../src/mpi/launch.js';
import { openLibrary } from '../src/mpi/library.js';
import { type LaunchedRanks, openRanks } from '../src/mpi/openRanks.js';
import { randomStream } from '../src/random.js';
import { matchTargets } from '../src/selection/targets.js';
import { classificationObjective } from '../src/tasks/kinds/classification.js';
import { type PeerShape, shapeSchema } from './peer_shape.js';

/**
 * A rank of `npm run bench:machines`, or one process alone. The first writes a line of JSON.
 *
 *     machines_rank.ts steps FOLDER SHAPE THREADS STEPS     seconds of each step of a training, and of its processors
 *     machines_rank.ts sums ROUNDS NUMBERS…                 seconds of sums over the ranks, in fixed order and by MPI_Allreduce
 */
const launch = launchOf(process.env);
const ranks = launch && (await openRanks(launch));
const isFirst = ranks === undefined || ranks.rank === 0;
const [what, ...rest] = process.argv.slice(2) as [string, ...string[]];

const found = what === 'steps' ? await steps(rest) : await sums(ranks!, rest);
if (isFirst) await new Promise((done) => process.stdout.write(`${JSON.stringify(found)}\n`, done));
// Over TCP some libraries wait for a long time in MPI_Finalize.
await ranks?.numbers(0);
ranks?.abort(0);
process.exit();

async function steps([folder, shapeText, threads, count]: readonly string[]) {
  const shape = shapeSchema.parse(JSON.parse(shapeText!));
  const model = openModel(await openCheckpoint(folder!), { taskType: 'SEQ_CLS', numLabels: 2 });
  const plan = loraPlan(shape, { own: matchTargets(model, shape.targets), shared: [] });
  const parameters = [...(await adapterParameters(plan, model, 1)), ...(await headParameters(model, 1))];
  const seconds: number[] = [];
  const cpuSeconds: number[] = [];
  let [last, lastCpu] = [0, process.cpuUsage()];
  await trainParameters(model, plan, parameters, examplesOf(shape), {
    objective: classificationObjective(),
    steps: () => Number(count) + 1,
    batchSize: shape.batch,
    seed: 1,
    learningRate: 1e-4,
    weightDecay: 0.01,
    warmupRatio: 0,
    maxGradNorm: 1,
    threads: Number(threads),
    shared: ranks && { ranks },
    agree: ranks && (async () => void (await ranks.numbers(0))),
    onStep() {
      const now = performance.now();
      const { user, system } = process.cpuUsage(lastCpu);
      if (last > 0) {
        seconds.push((now - last) / 1000);
        cpuSeconds.push((user + system) / 1e6);
      }
      [last, lastCpu] = [now, process.cpuUsage()];
    },
  });
  return { seconds, cpuSeconds, trained: countParameters(parameters) };
}

function examplesOf({ batch, sequence, vocabSize }: PeerShape): EncodedExample[] {
  const stream = randomStream(1, 'bench examples');
  return Array.from({ length: 4 * batch }, (_, index) => ({
    inputIds: Int32Array.from({ length: sequence }, () => 5 + stream.integer(vocabSize - 5)),
    tokenTypeIds: new Int32Array(sequence),
    label: index % 2,
    index,
  }));
}

async function sums(all: LaunchedRanks, [rounds, ...numbers]: readonly string[]) {
  const mpi = await openLibrary(launch!);
  const { world, float, sum } = mpi.abi;
  const each: { numbers: number; fixed: number[]; library: number[] }[] = [];
  for (const count of numbers.map(Number)) {
    const values = new Float32Array(count).fill(1);
    const into = new Float32Array(count);
    const times = { numbers: count, fixed: [] as number[], library: [] as number[] };
    for (let round = 0; round <= Number(rounds); round++) {
      await all.numbers(0);
      const started = performance.now();
      await all.sum([values]);
      const between = performance.now();
      await all.numbers(0);
      const again = performance.now();
      mpi.allreduce(values, into, count, float, sum, world);
      // The first round opens connections.
      if (round === 0) continue;
      times.fixed.push((between - started) / 1000);
      times.library.push((performance.now() - again) / 1000);
    }
    each.push(times);
  }
  const small: number[] = [];
  for (let i = 0; i < 50; i++) {
    const started = performance.now();
    await all.numbers(0);
    small.push((performance.now() - started) / 1000);
  }
  return { each, small };
}
