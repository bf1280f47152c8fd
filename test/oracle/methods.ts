/**
 * diffora's side of test/oracle/methods.py.
 *
 *     methods.ts make FOLDER    trains every method that PEFT or transformers can read, on three architectures
 *     methods.ts read FOLDER    runs the adapters that PEFT wrote, trains them on and writes them back
 */
import { cpSync, existsSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { AdapterPlan } from '../../src/adapters/plan.js';
import { headPartOf, openAdapter, placeAdapter, saveAdapter } from '../../src/artifacts/adapterFolder.js';
import { openCheckpoint } from '../../src/checkpoint/open.js';
import type { EncodedExample } from '../../src/engine/batch.js';
import { adapterParameters, headParameters, type Parameter } from '../../src/engine/parameters.js';
import { trainParameters } from '../../src/engine/training.js';
import { predictLogits } from '../../src/infer/predictLogits.js';
import { mergeAdapter } from '../../src/jobs/merge.js';
import type { HeadPart, Model } from '../../src/models/model.js';
import { openModel } from '../../src/models/registry.js';
import { randomStream } from '../../src/random.js';
import { silent } from '../../src/reporter.js';
import { adapterMethodOf, parseTrainConfig, type TrainConfigInput } from '../../src/settings/config.js';
import { wordPieceTokenizer } from '../../src/tokenize/convert/wordPiece.js';
import { lettersTask as task } from '../models/lettersTask.js';
import { objectives } from '../objectives.js';

const labels = 3;
const architectures = ['bert', 'gpt2', 'llama'] as const;

/** Settings by the name of a case. */
const cases: Readonly<Record<string, Partial<TrainConfigInput>>> = {
  head: { method: 'head' },
  lora: { method: 'lora' },
  'lora-patterns': {
    method: 'lora',
    ranks: { 'layer.0.output.dense': 4, 'mlp.c_proj': 1, 'mlp.down_proj': 3 },
    alphas: {},
  },
  'lora-biases': { method: 'lora', bias: 'all' },
  'lora-own-biases': { method: 'lora', bias: 'lora_only' },
  'lora-dropout': { method: 'lora', loraDropout: 0.2 },
  rslora: { method: 'rslora' },
  loraplus: { method: 'loraplus' },
  pissa: { method: 'pissa' },
  dora: { method: 'dora' },
  'dora-dropout': { method: 'dora', loraDropout: 0.2 },
  adalora: { method: 'adalora', adaloraTinit: 1, adaloraTfinal: 2, adaloraDeltaT: 1 },
  vera: { method: 'vera', rank: 6 },
  ia3: { method: 'ia3' },
  full: { method: 'full' },
  bitfit: { method: 'bitfit' },
};

const examples: EncodedExample[] = Array.from({ length: 12 }, (_, index) => {
  const stream = randomStream(1, 'methods oracle', index);
  const ids = Int32Array.from({ length: 4 + stream.integer(5) }, () => 5 + stream.integer(40));
  return { inputIds: ids, tokenTypeIds: new Int32Array(ids.length), label: index % labels, index };
});

const [command, folder] = process.argv.slice(2) as [string, string];
if (command === 'make') await make();
else await read();

/** A tiny checkpoint of the family oracle with a tokenizer of letters. */
function makeBase(architecture: string): string {
  const base = join(folder, architecture, 'base');
  cpSync(join(import.meta.dirname, '..', 'fixtures', 'oracle', 'families', architecture), base, { recursive: true });
  const letters = [...'abcdefghijklmnopqrstuvwxyz'];
  const vocabulary = ['[PAD]', '[UNK]', '[CLS]', '[SEP]', '[MASK]', ...letters, ...letters.map((one) => `##${one}`)];
  writeFileSync(join(base, 'tokenizer.json'), JSON.stringify(wordPieceTokenizer(vocabulary.join('\n'), {})));
  writeFileSync(join(base, 'tokenizer_config.json'), JSON.stringify({ pad_token: '[PAD]' }));
  return base;
}

async function open(base: string, head: HeadPart): Promise<Model> {
  return openModel(await openCheckpoint(base), { numLabels: labels, head });
}

async function make(): Promise<void> {
  writeFileSync(join(folder, 'examples.json'), JSON.stringify(examples.map(({ inputIds }) => Array.from(inputIds))));
  for (const architecture of architectures) {
    const base = makeBase(architecture);
    for (const [name, settings] of Object.entries(cases)) {
      if (architecture === 'llama' && name === 'bitfit') continue;
      const model = await open(base, 'all');
      const config = parseTrainConfig({ task: 'x', rank: 2, ...settings, ranks: ranksOf(settings, model) }, name, {
        idle: 'drop',
      }).method;
      const { plan: makePlan, places } = adapterMethodOf(config);
      const plan = makePlan(config, { own: places === 'itself' ? [] : model.adaptable, shared: [] }, model);
      const parameters = [...(await adapterParameters(plan, model, 1)), ...(await headParameters(model, 1))];
      await learn(model, plan, parameters, 6);
      await save(join(folder, architecture, name), base, model, plan, parameters);
      const merged = join(folder, architecture, `${name}-merged`);
      const adapter = join(folder, architecture, name);
      await mergeAdapter({ adapter, model: base, output: merged, threads: 1, reporter: silent });
    }
  }
}

/** Those patterns that name a module of this architecture. */
function ranksOf({ ranks }: Partial<TrainConfigInput>, { adaptable }: Model): Record<string, number> | undefined {
  if (ranks === undefined) return undefined;
  return Object.fromEntries(
    Object.entries(ranks).filter(([name]) => adaptable.some(({ path }) => path.endsWith(`.${name}`))),
  );
}

async function read(): Promise<void> {
  for (const architecture of architectures) {
    const peft = join(folder, architecture, 'peft');
    if (!existsSync(peft)) continue;
    for (const name of readdirSync(peft).filter((one) => !one.endsWith('.json') && !one.endsWith('-again'))) {
      const loaded = await openAdapter(join(peft, name));
      const base = join(folder, architecture, 'base');
      const model = await open(base, headPartOf(loaded));
      const { plan, parameters } = placeAdapter(loaded, model);
      writeFileSync(join(peft, `${name}.ours.json`), JSON.stringify(await logitsOf(model, plan, parameters)));
      await learn(model, plan, parameters, 2);
      await save(join(peft, `${name}-again`), base, model, plan, parameters);
    }
  }
}

async function learn(model: Model, plan: AdapterPlan, parameters: readonly Parameter[], steps: number): Promise<void> {
  await trainParameters(model, plan, parameters, examples, {
    objective: objectives.classification,
    steps: () => steps,
    batchSize: 6,
    seed: 1,
    learningRate: 0.02,
    weightDecay: 0,
    warmupRatio: 0,
    maxGradNorm: 1,
    dropoutRate: 0,
    threads: 1,
  });
}

async function logitsOf(model: Model, plan: AdapterPlan, parameters: readonly Parameter[]): Promise<number[]> {
  return Array.from(await predictLogits(model, plan, parameters, examples, { threads: 1 }));
}

async function save(
  path: string,
  base: string,
  model: Model,
  plan: AdapterPlan,
  parameters: readonly Parameter[],
): Promise<void> {
  const tokenizer = { files: [] as readonly string[] } as Parameters<typeof saveAdapter>[4]['tokenizer'];
  const options = { task, tokenizer, maxLength: 16, baseModel: base, totalSteps: 6, paragraphs: [], scores: {} };
  await saveAdapter(path, model, plan, parameters, options);
  writeFileSync(`${path}.json`, JSON.stringify(await logitsOf(model, plan, parameters)));
}
