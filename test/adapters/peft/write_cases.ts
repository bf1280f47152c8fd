/** Writes adapter folders for test/oracle/peft_files.py, which loads them with PEFT: `write_cases.ts OUT`. */
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type PeftAdapter, readPeftAdapter, scalingOf, writePeftAdapter } from '../../../src/adapters/peft/index.js';
import { loraType } from '../../../src/adapters/peft/loraType.js';
import type { NamedTensor } from '../../../src/checkpoint/types.js';

const HIDDEN = 8;
const INTERMEDIATE = 12;
const LABELS = 3;
const MODULES: Readonly<Record<string, readonly [inputs: number, outputs: number]>> = {
  'attention.self.query': [HIDDEN, HIDDEN],
  'attention.self.key': [HIDDEN, HIDDEN],
  'attention.self.value': [HIDDEN, HIDDEN],
  'attention.output.dense': [HIDDEN, HIDDEN],
  'intermediate.dense': [HIDDEN, INTERMEDIATE],
  'output.dense': [INTERMEDIATE, HIDDEN],
};

const zeros = () => ({
  'lora_A.weight': { name: 'A', shape: [4, HIDDEN], data: new Float32Array(4 * HIDDEN) },
  'lora_B.weight': { name: 'B', shape: [HIDDEN, 4], data: new Float32Array(4 * HIDDEN) },
});

let counter = 0;
function tensor(name: string, shape: readonly number[]): NamedTensor {
  const data = new Float32Array(shape.reduce((product, size) => product * size, 1));
  for (let i = 0; i < data.length; i++) data[i] = Math.sin(++counter);
  return { name, shape, data };
}

const head = () => [tensor('classifier.weight', [LABELS, HIDDEN]), tensor('classifier.bias', [LABELS])];
const pooler = () => [tensor('bert.pooler.dense.weight', [HIDDEN, HIDDEN]), tensor('bert.pooler.dense.bias', [HIDDEN])];

function make(layers: number, keep: (index: number) => boolean, rankOf: (index: number) => number): PeftAdapter {
  const modules = new Map<string, Record<string, NamedTensor>>();
  const rankPattern: Record<string, number> = {};
  const alphaPattern: Record<string, number> = {};
  for (let index = 0; index < layers * 6; index++) {
    if (!keep(index)) continue;
    const [short, [inputs, outputs]] = Object.entries(MODULES)[index % 6]!;
    const path = `bert.encoder.layer.${Math.floor(index / 6)}.${short}`;
    const rank = rankOf(index);
    if (rank !== 4) {
      rankPattern[path] = rank;
      alphaPattern[path] = rank * 3;
    }
    modules.set(path, {
      'lora_A.weight': tensor('A', [rank, inputs]),
      'lora_B.weight': tensor('B', [outputs, rank]),
    });
  }
  return {
    type: loraType,
    baseModel: 'tiny-bert',
    taskType: 'SEQ_CLS',
    rank: 4,
    alpha: 8,
    rankPattern,
    alphaPattern,
    targetModules: [...modules.keys()],
    modulesToSave: ['classifier'],
    modules,
    shared: [],
    saved: head(),
    biases: [],
    fields: {},
  };
}

const everything = make(
  12,
  () => true,
  () => 4,
);
const cases: Record<string, { layers: number; adapter: PeftAdapter }> = {
  half: {
    layers: 4,
    adapter: make(
      4,
      (index) => index % 2 === 0,
      () => 4,
    ),
  },
  everything: { layers: 12, adapter: everything },
  'most-with-ranks': {
    layers: 12,
    adapter: make(
      12,
      (index) => index % 7 !== 3,
      (index) => 1 + (index % 5),
    ),
  },
  'pooler-too': {
    layers: 2,
    adapter: {
      ...make(
        2,
        (index) => index > 8,
        () => 4,
      ),
      modulesToSave: ['bert.pooler', 'classifier'],
      saved: [...head(), ...pooler()],
    },
  },
  'rank-stabilised': {
    layers: 2,
    adapter: {
      ...make(
        2,
        (index) => index < 3,
        () => 4,
      ),
      revision: 'main',
      fields: { use_rslora: true, lora_dropout: 0.25 },
    },
  },
  'head-only': {
    layers: 2,
    adapter: {
      ...make(
        2,
        (index) => index === 0,
        () => 4,
      ),
      modules: new Map([['bert.encoder.layer.0.attention.self.query', zeros()]]),
    },
  },
  'from-peft': { layers: 2, adapter: await readPeftAdapter(join(import.meta.dirname, 'fixtures', 'exact')) },
};

const out = process.argv[2];
if (out === undefined) throw new Error('usage: write_cases.ts OUT');
const facts: Record<string, unknown> = {};
for (const [name, { layers, adapter }] of Object.entries(cases)) {
  await writePeftAdapter(join(out, name), adapter);
  facts[name] = {
    layers,
    keys: [
      ...[...adapter.modules].flatMap(([path, tensors]) =>
        Object.keys(tensors).map((suffix) => `base_model.model.${path}.${suffix}`),
      ),
      ...adapter.saved.map((saved) => `base_model.model.${saved.name}`),
    ],
    scaling: Object.fromEntries([...adapter.modules.keys()].map((path) => [path, scalingOf(adapter, path)])),
  };
}
await writeFile(join(out, 'cases.json'), JSON.stringify(facts));
