import { readFile } from 'node:fs/promises';
import { createInterface } from 'node:readline';
import { fullPlan } from '../src/adapters/methods/full.js';
import { loraPlan } from '../src/adapters/methods/lora.js';
import { openCheckpoint } from '../src/checkpoint/open.js';
import { adamW } from '../src/engine/adamw.js';
import type { Batch, EncodedExample } from '../src/engine/batch.js';
import { collate } from '../src/engine/batching.js';
import { gradientGraph, openGradientStep } from '../src/engine/gradientStep.js';
import { IGNORED_LABEL } from '../src/engine/labels.js';
import { type Objective, textSizes } from '../src/engine/objective.js';
import { adapterParameters, countParameters, headParameters } from '../src/engine/parameters.js';
import { input, ops } from '../src/graph/index.js';
import { elementsOf } from '../src/graph/liveness.js';
import { optimize } from '../src/graph/passes/index.js';
import { nodesInOrder } from '../src/graph/tensor.js';
import type { Model, TaskType } from '../src/models/model.js';
import { openModel } from '../src/models/registry.js';
import { randomStream } from '../src/random.js';
import { openDevice } from '../src/runtime/devices/openDevice.js';
import { openSession } from '../src/runtime/session.js';
import { matchTargets } from '../src/selection/targets.js';
import { vectorObjective } from '../src/tasks/embedding/losses.js';
import { classificationObjective } from '../src/tasks/kinds/classification.js';
import { languageObjective } from '../src/tasks/kinds/language.js';
import { type PeerShape, type Ready, shapeSchema } from './peer_shape.js';

/**
 * This project's side of `npm run bench:peer`: `peer_ours.ts FOLDER SHAPE THREADS [MODE] [DEVICE]`, MODE being `kept` (default) or `checkpointing`. It speaks as
 * bench/peer_torch.py does: a line of JSON when it is ready, then an answer to each `step N` and `quit`. As there, a step
 * is forward, backward and AdamW, and the batch is made once. `small` is a step of one sequence of 8 tokens, after which
 * all weights have been read and next to no activations: it answers with the memory of the process. `peak` answers with the operations of
 * the step's products of matrices, and with how many a second the device does in one large product.
 */
const labels = 2;
const learningRate = 1e-4;
const seed = 1;

const [folder, shapeText, threadsText, mode = 'kept', deviceName = 'cpu'] = process.argv.slice(2) as [
  string,
  string,
  string,
  string?,
  string?,
];
const shape = shapeSchema.parse(JSON.parse(shapeText));
const threads = Number(threadsText);

/** What is learned, by the shape's name for it, and the head that it needs. */
const learned: Readonly<Record<PeerShape['objective'], { taskType: TaskType; objective: Objective }>> = {
  classes: { taskType: 'SEQ_CLS', objective: classificationObjective() },
  vectors: { taskType: 'FEATURE_EXTRACTION', objective: vectorObjective('MultipleNegativesRankingLoss', {}) },
  answers: { taskType: 'CAUSAL_LM', objective: languageObjective },
};
const { taskType, objective } = learned[shape.objective];
const device = await openDevice(deviceName);
const model: Model = { ...openModel(await openCheckpoint(folder), { taskType, numLabels: labels }), device };
const isFull = shape.targets.length === 0;
const plan = isFull ? fullPlan(model) : loraPlan(shape, { own: matchTargets(model, shape.targets), shared: [] });
const parameters = [...(await adapterParameters(plan, model, seed)), ...(await headParameters(model, seed))];
const batch = batchOf(shape);
const graphOptions = {
  objective,
  plan,
  parameters,
  wrt: parameters,
  dropoutSeed: seed,
  gradientCheckpointing: mode === 'checkpointing',
  // As training does where several texts stand in an example.
  packed: batch.batchSize > batch.indices.length,
};
const gradientStep = await openGradientStep(model, {
  ...graphOptions,
  threads,
  largestBatch: { batch: batch.batchSize, seq: batch.sequenceLength },
});
const optimizer = adamW(parameters, { weightDecay: 0.01 });

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
  dropout: Number(model.checkpoint.config.hidden_dropout_prob ?? model.checkpoint.config.attention_dropout ?? 0),
  trainableParameters: countParameters(parameters),
};
answer(ready);
for await (const line of createInterface({ input: process.stdin })) {
  if (line === 'quit') break;
  if (line === 'small') {
    await step(
      batchOf({
        ...shape,
        batch: 1,
        sequence: 8,
        passage: Math.min(shape.passage, 8),
        learned: Math.min(shape.learned, 4),
      }),
    );
    answer({ rssBytes: process.memoryUsage.rss() });
    continue;
  }
  if (line === 'peak') {
    answer({ productOperations: productOperations(), peakPerSecond: await peakPerSecond() });
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

/** Two for each term of a product of matrices in the step; padding counts as it is computed. */
function productOperations(): number {
  const sizes = {
    batch: batch.batchSize,
    seq: batch.sequenceLength,
    tokens: batch.attentionMask.filter((one) => one === 1n).length,
    rows: batch.labels?.rows?.length ?? 0,
    ...textSizes(batch.batchSize, batch.indices.length),
  };
  const order = nodesInOrder(optimize(Object.values(gradientGraph(model, graphOptions).outputs)));
  return order.reduce((sum, { primitive, inputs, outputs, attrs }) => {
    if (primitive !== 'matmul' && primitive !== 'gemm') return sum;
    const inner = inputs[0]!.shape.at('transA' in attrs && attrs.transA ? -2 : -1)!;
    return sum + 2 * elementsOf([...outputs[0]!.shape, inner], sizes);
  }, 0);
}

/** Operations a second of the runtime's own product, the fastest of five: 2048³, the way there and back not counted by much. */
async function peakPerSecond(): Promise<number> {
  const side = 2048;
  const a = input('a', 'float32', ['rows', side]);
  const b = input('b', 'float32', [side, side]);
  const product = Array.from({ length: 4 }, () => 0).reduce((x) => ops.matmul(x, b), a);
  const session = await openSession({ sum: ops.sum(product, { axes: [0, 1], keepDims: false }) }, { threads, device });
  const data = new Float32Array(side * side).fill(1e-3);
  let best = Number.POSITIVE_INFINITY;
  for (let run = 0; run < 5; run++) {
    const start = performance.now();
    await session.run({ a: { data, shape: [side, side] }, b: { data, shape: [side, side] } });
    best = Math.min(best, (performance.now() - start) / 1000);
  }
  await session.release();
  return (4 * 2 * side ** 3) / best;
}

/** Lengths of a column's texts, which go round from the longest down; as `drawn` of peer_torch.py has them. */
function lengthsOf(texts: number, longest: number, shortest: number): number[] {
  return Array.from({ length: texts }, (_, row) => longest - ((7 * row) % (longest - shortest + 1)));
}

/** Random tokens; only pairs have texts of different lengths. */
function batchOf({ batch: count, sequence, passage, vocabSize, learned: answered }: PeerShape): Batch {
  const stream = randomStream(seed, 'bench batch');
  const text = (length: number, index: number): EncodedExample => {
    const inputIds = Int32Array.from({ length }, () => 5 + stream.integer(vocabSize - 5));
    const label = passage === 0 ? stream.integer(labels) : undefined;
    // The label of a position is the token that comes next.
    const tokenLabels = Int32Array.from({ length }, (_, i) =>
      i + 1 < length && i + 1 >= length - answered ? inputIds[i + 1]! : IGNORED_LABEL,
    );
    return { inputIds, tokenTypeIds: new Int32Array(length), label, index, tokenLabels };
  };
  const column = (longest: number, shortest: number) => lengthsOf(count, longest, shortest).map(text);
  if (passage === 0) return collate(column(sequence, sequence), model.padTokenId, objective);
  const further = column(passage, passage >> 1);
  const examples = column(sequence, sequence >> 1).map((one, i) => ({ ...one, further: [further[i]!] }));
  return collate(examples, model.padTokenId, objective);
}

async function versionOf(name: string): Promise<string> {
  const url = new URL(`../node_modules/${name}/package.json`, import.meta.url);
  return (JSON.parse(await readFile(url, 'utf8')) as { version: string }).version;
}
