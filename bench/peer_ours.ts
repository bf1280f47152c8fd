import { readFile } from 'node:fs/promises';
import { createInterface } from 'node:readline';
import { loraPlan } from '../src/adapters/methods/lora.js';
import { openCheckpoint } from '../src/checkpoint/open.js';
import { adamW } from '../src/engine/adamw.js';
import type { Batch, EncodedExample } from '../src/engine/batch.js';
import { collate } from '../src/engine/batching.js';
import { openGradientStep } from '../src/engine/gradientStep.js';
import { IGNORED_LABEL } from '../src/engine/labels.js';
import type { Objective } from '../src/engine/objective.js';
import { adapterParameters, countParameters, headParameters } from '../src/engine/parameters.js';
import type { TaskType } from '../src/models/model.js';
import { openModel } from '../src/models/registry.js';
import { randomStream } from '../src/random.js';
import { matchTargets } from '../src/selection/targets.js';
import { vectorObjective } from '../src/tasks/embedding/losses.js';
import { classificationObjective } from '../src/tasks/kinds/classification.js';
import { languageObjective } from '../src/tasks/kinds/language.js';
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

/** What is learned, by the shape's name for it, and the head that it needs. */
const learned: Readonly<Record<PeerShape['objective'], { taskType: TaskType; objective: Objective }>> = {
  classes: { taskType: 'SEQ_CLS', objective: classificationObjective() },
  vectors: { taskType: 'FEATURE_EXTRACTION', objective: vectorObjective('MultipleNegativesRankingLoss', {}) },
  answers: { taskType: 'CAUSAL_LM', objective: languageObjective },
};
const { taskType, objective } = learned[shape.objective];
const model = openModel(await openCheckpoint(folder), { taskType, numLabels: labels });
const plan = loraPlan(shape, { own: matchTargets(model, shape.targets), shared: [] });
const parameters = [...(await adapterParameters(plan, model, seed)), ...(await headParameters(model.head, seed))];
const batch = batchOf(shape);
const gradientStep = await openGradientStep(model, {
  objective,
  plan,
  parameters,
  wrt: parameters,
  dropoutSeed: seed,
  gradientCheckpointing: checkpointing === 'checkpointing',
  // As training does where several texts stand in an example.
  packed: batch.batchSize > batch.indices.length,
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
  const runs: Awaited<ReturnType<typeof step>>[] = [];
  for (let i = Number(line.split(' ')[1]); i > 0; i--) runs.push(await step());
  const of = (key: 'seconds' | 'cpuSeconds') => runs.map((run) => run[key]);
  answer({ seconds: of('seconds'), cpuSeconds: of('cpuSeconds'), loss: runs.at(-1)?.loss });
}
// Kilobytes on every system: libuv converts.
answer({ peakRssBytes: process.resourceUsage().maxRSS * 1024 });
process.exit();

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
