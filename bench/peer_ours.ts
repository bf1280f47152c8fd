import { readFile } from 'node:fs/promises';
import { createInterface } from 'node:readline';
import { loraPlan } from '../src/adapters/methods/lora.js';
import { openCheckpoint } from '../src/checkpoint/open.js';
import { adamW } from '../src/engine/adamw.js';
import type { Batch } from '../src/engine/batch.js';
import { openGradientStep } from '../src/engine/gradientStep.js';
import { adapterParameters, countParameters, headParameters } from '../src/engine/parameters.js';
import { openModel } from '../src/models/registry.js';
import { randomStream } from '../src/random.js';
import { matchTargets } from '../src/selection/targets.js';
import { classificationObjective } from '../src/tasks/kinds/classification.js';
import { type PeerShape, type Ready, shapeSchema } from './peer_shape.js';

/**
 * This project's side of `npm run bench:peer`: `peer_ours.ts FOLDER SHAPE THREADS [checkpointing]`. It speaks as
 * bench/peer_torch.py does: a line of JSON when it is ready, then an answer to each `step N` and `quit`. As there, a step
 * is forward, backward and AdamW, and the batch is made once. `small` is a step of one sequence of 8 tokens, after which
 * all weights have been read and next to no activations: it answers with the memory of the process.
 */
const labels = 2;
const learningRate = 1e-4;
const seed = 1;

const [folder, shapeText, threadsText, checkpointing] = process.argv.slice(2) as [string, string, string, string?];
const shape = shapeSchema.parse(JSON.parse(shapeText));
const threads = Number(threadsText);

const model = openModel(await openCheckpoint(folder), { numLabels: labels });
const plan = loraPlan(shape, { own: matchTargets(model, shape.targets), shared: [] });
const parameters = [...(await adapterParameters(plan, model, seed)), ...(await headParameters(model.head, seed))];
const gradientStep = await openGradientStep(model, {
  objective: classificationObjective(),
  plan,
  parameters,
  wrt: parameters,
  dropoutSeed: seed,
  gradientCheckpointing: checkpointing === 'checkpointing',
  threads,
  largestBatch: { batch: shape.batch, seq: shape.sequence },
});
const optimizer = adamW(parameters, { weightDecay: 0.01 });
const batch = fullBatch(shape);

let done = 0;
async function step(of = batch): Promise<{ seconds: number; cpuSeconds: number; loss: number }> {
  const [start, cpuStart] = [performance.now(), process.cpuUsage()];
  const loss = await gradientStep.run(of, done++);
  optimizer.step(gradientStep.gradients, learningRate);
  const { user, system } = process.cpuUsage(cpuStart);
  return { seconds: (performance.now() - start) / 1000, cpuSeconds: (user + system) / 1e6, loss };
}

const answer = (message: object) => process.stdout.write(`${JSON.stringify(message)}\n`);
const ready: Ready = {
  versions: { node: process.versions.node, 'onnxruntime-node': await versionOf('onnxruntime-node') },
  shape,
  threads,
  dropout: Number(model.checkpoint.config.hidden_dropout_prob),
  trainableParameters: countParameters(parameters),
};
answer(ready);
for await (const line of createInterface({ input: process.stdin })) {
  if (line === 'quit') break;
  if (line === 'small') {
    await step(fullBatch({ ...shape, batch: 1, sequence: 8 }));
    answer({ rssBytes: process.memoryUsage.rss() });
    continue;
  }
  const runs: Awaited<ReturnType<typeof step>>[] = [];
  for (let i = Number(line.split(' ')[1]); i > 0; i--) runs.push(await step());
  const of = (key: 'seconds' | 'cpuSeconds') => runs.map((run) => run[key]);
  answer({ seconds: of('seconds'), cpuSeconds: of('cpuSeconds'), loss: runs.at(-1)?.loss });
}
// Kilobytes on every system: libuv converts.
answer({ peakRssBytes: process.resourceUsage().maxRSS * 1024 });
process.exit();

/** Random tokens, no padding. */
function fullBatch({ batch: batchSize, sequence: sequenceLength, vocabSize }: PeerShape): Batch {
  const stream = randomStream(seed, 'bench batch');
  const length = batchSize * sequenceLength;
  return {
    batchSize,
    sequenceLength,
    inputIds: BigInt64Array.from({ length }, () => BigInt(5 + stream.integer(vocabSize - 5))),
    attentionMask: new BigInt64Array(length).fill(1n),
    tokenTypeIds: new BigInt64Array(length),
    labels: {
      data: BigInt64Array.from({ length: batchSize }, () => BigInt(stream.integer(labels))),
      shape: [batchSize],
    },
    indices: Array.from({ length: batchSize }, (_, row) => row),
  };
}

async function versionOf(name: string): Promise<string> {
  const url = new URL(`../node_modules/${name}/package.json`, import.meta.url);
  return (JSON.parse(await readFile(url, 'utf8')) as { version: string }).version;
}
