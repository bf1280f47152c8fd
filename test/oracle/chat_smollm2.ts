/**
 * diffora's side of test/oracle/chat_smollm2.py.
 *
 *     chat_smollm2.ts FOLDER FILE.gguf STEPS    trains LoRA on FOLDER/chats.yaml; writes the start, and what every step gave
 */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { saveAdapter } from '../../src/artifacts/adapterFolder.js';
import { BatchStream } from '../../src/engine/batchStream.js';
import { trainParameters } from '../../src/engine/training.js';
import { planOnTargets, startingParameters } from '../../src/jobs/plan.js';
import { openWorkspace } from '../../src/jobs/workspace.js';
import { silent } from '../../src/reporter.js';
import { learningRateOf, parseTrainConfig } from '../../src/settings/config.js';
import { trainingOptionsOf } from '../../src/settings/trainingOptions.js';

const [folder, gguf, steps] = process.argv.slice(2) as [string, string, string];
const settings = {
  method: 'lora',
  rank: 8,
  maxLength: 192,
  batchSize: 2,
  maxSteps: Number(steps),
  threads: 2,
} as const;
const config = parseTrainConfig({ ...settings, model: gguf, task: join(folder, 'chats.yaml') }, 'chat_smollm2.ts');
const reporter = {
  ...silent,
  warn: (message: string) => console.log(`Warning: ${message}`),
  info: (text: string) => console.log(text),
};
const { opened, task, train, scorer, maxLength } = await openWorkspace(config, reporter);
const { model, tokenizer } = opened;
const { optimisation, run } = config;
const { seed, threads } = run;
const plan = planOnTargets(model, config.method);
const parameters = await startingParameters(model, plan, seed);
const objective = task.kind.objective();

const saved = { task, tokenizer, maxLength, baseModel: gguf, totalSteps: Number(steps), paragraphs: [], scores: {} };
await saveAdapter(join(folder, 'start'), model, plan, parameters, saved);

const open = await (await scorer()).open({ opened, plan, parameters }, { threads });
const before = (await open.score({})).scores;
console.log(`dev before: ${JSON.stringify(before)}`);

const batches = new BatchStream(train.encoded, {
  batchSize: optimisation.batchSize,
  seed,
  objective,
  padTokenId: model.padTokenId,
});
const taken: object[] = [];
const keep = (more: object) =>
  writeFileSync(join(folder, 'steps.json'), JSON.stringify({ before, steps: taken, ...more }));
await trainParameters(model, plan, parameters, train.encoded, {
  ...trainingOptionsOf(optimisation, learningRateOf(config), run),
  objective,
  onStep({ step, loss, learningRate, gradientNorm }) {
    const rows = batches.at(step).indices.map((index) => train.examples[index]!.id);
    taken.push({ rows, loss, learningRate, gradientNorm });
    keep({});
    if ((step + 1) % 10 === 0 || step === 0) console.log(`step ${step + 1}: loss ${loss}`);
  },
});
const after = (await open.score({})).scores;
console.log(`dev after: ${JSON.stringify(after)}`);
keep({ after });
await open.release();
await saveAdapter(join(folder, 'trained'), model, plan, parameters, saved);
