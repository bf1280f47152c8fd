import { cp, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { modelCard } from '../../../src/adapters/card.js';
import {
  type PeftAdapter,
  rankOf,
  readPeftAdapter,
  scalingOf,
  writePeftAdapter,
} from '../../../src/adapters/peft/index.js';
import { loraType } from '../../../src/adapters/peft/loraType.js';
import { peftTypes } from '../../../src/adapters/registry.js';
import { readSafetensorsHeader } from '../../../src/checkpoint/safetensors.js';
import { writeSafetensors } from '../../../src/checkpoint/safetensors-write.js';
import type { WritableTensor } from '../../../src/checkpoint/safetensorsLayout.js';
import { classification } from '../../../src/tasks/kinds/classification.js';
import { failure } from '../../checkpoint/make.js';

/** Written by PEFT 0.21.0: test/oracle/peft_files.py make. */
const FIXTURES = join(import.meta.dirname, 'fixtures');
const fixture = (name: string) => join(FIXTURES, name);
const WEIGHTS = 'adapter_model.safetensors';
const CONFIG = 'adapter_config.json';
const QUERY = 'bert.encoder.layer.0.attention.self.query';

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'diffora-peft-'));
});
afterEach(async () => {
  await rm(folder, { recursive: true, force: true });
});

async function readJson(path: string): Promise<Record<string, unknown>> {
  return JSON.parse(await readFile(path, 'utf8'));
}

/** A copy of a fixture with some fields of its configuration changed. */
async function withFields(name: string, fields: Record<string, unknown>): Promise<string> {
  await cp(fixture(name), folder, { recursive: true });
  const config = { ...(await readJson(join(folder, CONFIG))), ...fields };
  await writeFile(join(folder, CONFIG), JSON.stringify(config));
  return folder;
}

/** A copy of the `exact` fixture with its tensors changed. */
async function withTensors(change: (tensors: WritableTensor[]) => WritableTensor[]): Promise<string> {
  await cp(fixture('exact'), folder, { recursive: true });
  const { tensors } = await readSafetensorsHeader(join(fixture('exact'), WEIGHTS));
  await writeSafetensors(join(folder, WEIGHTS), change([...tensors.values()]), { format: 'pt' });
  return folder;
}

describe('readPeftAdapter', () => {
  it('reads what PEFT wrote: ranks, targets, head, and the values of every tensor', async () => {
    const adapter = await readPeftAdapter(fixture('exact'));
    const output = 'bert.encoder.layer.0.output.dense';
    expect(adapter).toMatchObject({
      baseModel: 'tiny-bert',
      taskType: 'SEQ_CLS',
      rank: 4,
      alpha: 8,
      rankPattern: { [output]: 2 },
      alphaPattern: { [output]: 6 },
      modulesToSave: ['classifier'],
    });
    expect(adapter.targetModules).toEqual([QUERY, output, 'bert.encoder.layer.1.attention.output.dense']);
    expect(adapter.modules.get(output)!['lora_A.weight']!.shape).toEqual([2, 12]);
    expect(adapter.modules.get(output)!['lora_B.weight']!.shape).toEqual([8, 2]);
    expect(adapter.saved.map((tensor) => tensor.name)).toEqual(['classifier.bias', 'classifier.weight']);

    const sums = (await readJson(join(FIXTURES, 'sums.json'))).exact as Record<string, number>;
    const read = new Map(adapter.saved.map((tensor) => [`base_model.model.${tensor.name}`, tensor.data]));
    for (const [path, tensors] of adapter.modules) {
      for (const [suffix, { data }] of Object.entries(tensors)) read.set(`base_model.model.${path}.${suffix}`, data);
    }
    expect([...read.keys()].sort()).toEqual(Object.keys(sums).sort());
    for (const [key, data] of read) {
      expect(data.reduce((sum, value) => sum + value, 0)).toBeCloseTo(sums[key]!, 6);
    }
  });

  it('finds full module paths where the configuration has only the ends of names', async () => {
    const adapter = await readPeftAdapter(fixture('short_names'));
    expect(adapter.targetModules).toEqual(
      [0, 1].flatMap((layer) => ['query', 'value'].map((name) => `bert.encoder.layer.${layer}.attention.self.${name}`)),
    );
    expect(adapter.fields).toMatchObject({ use_rslora: true, lora_dropout: 0.1 });
  });

  it('reads modules that are saved whole beside the head', async () => {
    const adapter = await readPeftAdapter(fixture('pooler'));
    expect(adapter.modulesToSave).toEqual(['bert.pooler', 'classifier']);
    expect(adapter.saved.map((tensor) => tensor.name)).toContain('bert.pooler.dense.weight');
  });

  it('takes targets given as one regular expression from the tensors', async () => {
    const adapter = await readPeftAdapter(await withFields('short_names', { target_modules: '.*\\.(query|value)' }));
    expect(adapter.targetModules).toHaveLength(4);
  });

  it('refuses a field that PEFT 0.21 does not know, unless it is null, which is kept', async () => {
    const asking = await withFields('exact', { invented_field: [1] });
    expect((await failure(readPeftAdapter(asking))).message).toContain(
      '"invented_field" is no field of LORA in PEFT 0.21',
    );
    const adapter = await readPeftAdapter(await withFields('exact', { invented_field: null }));
    await writePeftAdapter(join(folder, 'again'), adapter);
    expect(await readJson(join(folder, 'again', CONFIG))).toHaveProperty('invented_field', null);
  });

  it.each<[Record<string, unknown>, RegExp]>([
    [
      { peft_type: 'LOHA' },
      new RegExp(`"peft_type" is "LOHA"; adapters of ${peftTypes.map(({ name }) => name).join(', ')} are read`),
    ],
    [{ task_type: 'IMAGE_CLS' }, /"task_type" is "IMAGE_CLS"/],
    [{ use_qalora: true }, /"use_qalora" is true, which is not supported/],
    [{ init_lora_weights: 'pissa' }, /"init_lora_weights" is "pissa".*path_initial_model_for_weight_conversion/],
    [{ r: 0 }, /"r" must be a positive integer/],
    [{ lora_alpha: '8' }, /"lora_alpha" must be a positive number/],
    [{ rank_pattern: { x: 1.5 } }, /"rank_pattern" must map names to integers/],
    [{ modules_to_save: 'classifier' }, /"modules_to_save" must be a list/],
    [{ target_modules: null }, /"target_modules" must be a list/],
    [{ base_model_name_or_path: null }, /"base_model_name_or_path" is not said. Give the base model by --model/],
    [{ task_type: null }, /"task_type" is not said. Give --task-type/],
    [{ use_rslora: 1 }, /"use_rslora" is 1; it has to be one of false, true/],
    [{ lora_dropout: '0.1' }, /"lora_dropout" must be a number/],
    [{ bias: 'some' }, /"bias" is "some"; it has to be one of "none", "all", "lora_only"/],
  ])('refuses %j, naming file and field', async (fields, message) => {
    const error = await failure(readPeftAdapter(await withFields('exact', fields)));
    expect(error.message).toMatch(message);
    expect(error.message).toContain(join(folder, CONFIG));
  });

  it('reads the magnitudes of DoRA, and misses them where they are not there', async () => {
    const adapter = await readPeftAdapter(fixture('dora'));
    expect(adapter.modules.get(QUERY)!.lora_magnitude_vector!.shape).toEqual([8]);
    const plain = await withFields('exact', { use_dora: true });
    expect((await failure(readPeftAdapter(plain))).message).toContain(
      `missing      base_model.model.${QUERY}.lora_magn`,
    );
  });

  it('shows all that is missing and left over in one table', async () => {
    const extra = { name: 'base_model.model.bert.pooler.dense.weight', shape: [1], data: new Float32Array(1) };
    const stray = { name: 'lora.stray', shape: [1], data: new Float32Array(1) };
    const path = await withTensors((tensors) => [
      ...tensors.filter(({ name }) => !name.endsWith(`${QUERY}.lora_B.weight`) && !name.includes('layer.1.')),
      extra,
      stray,
    ]);
    expect((await failure(readPeftAdapter(path))).message.split('\n')).toEqual([
      `${path}: configuration and tensors of the adapter do not match, 3 entries do not fit. Save the adapter again.`,
      '  left over    lora.stray (does not begin with base_model.model.)',
      `  missing      base_model.model.${QUERY}.lora_B.weight`,
      '  left over    bert.pooler.dense.weight',
      `  matched      2 modules: ${QUERY}, bert.encoder.layer.0.output.dense; 3 tensors of the head`,
    ]);
  });

  it('refuses an adapter without its head, and matrices that do not fit the rank', async () => {
    const headless = await withTensors((tensors) => tensors.filter(({ name }) => !name.includes('classifier')));
    expect((await failure(readPeftAdapter(headless))).message).toContain('missing      classifier.* (the head');
    const wrong = await withFields('exact', { r: 5 });
    expect((await failure(readPeftAdapter(wrong))).message).toContain(
      `wrong shape  ${QUERY}.lora_A is [4,8], expected [5, in]`,
    );
  });

  it('says what a folder lacks, and where the adapter may be', async () => {
    expect((await failure(readPeftAdapter(folder))).message).toBe(
      `${folder} is not an adapter folder: it lacks adapter_config.json and adapter_model.safetensors.`,
    );
    await cp(fixture('exact'), join(folder, 'adapter'), { recursive: true });
    expect((await failure(readPeftAdapter(folder))).message).toContain(`Did you mean ${join(folder, 'adapter')}?`);
    expect((await failure(readPeftAdapter(join(folder, 'none')))).message).toContain('no such file or folder');
  });
});

describe('writePeftAdapter', () => {
  it('writes the very bytes of PEFT for the tensors, and its configuration field by field', async () => {
    for (const name of ['exact', 'short_names', 'pooler']) {
      const adapter = await readPeftAdapter(fixture(name));
      const target = join(folder, name);
      await writePeftAdapter(target, adapter);
      expect(await readFile(join(target, WEIGHTS))).toEqual(await readFile(join(fixture(name), WEIGHTS)));
      const ours = await readJson(join(target, CONFIG));
      const theirs = await readJson(join(fixture(name), CONFIG));
      expect(Object.keys(ours)).toEqual(Object.keys(theirs));
      // Targets are written in full; PEFT adds the usual names of heads to modules_to_save by itself.
      expect(ours).toEqual({
        ...theirs,
        target_modules: adapter.targetModules,
        modules_to_save: adapter.modulesToSave,
      });
    }
  });

  it('adds the model card and copies, and refuses a folder that is in use unless told to replace it', async () => {
    const adapter = await readPeftAdapter(fixture('exact'));
    const target = join(folder, 'out');
    const copies = [join(FIXTURES, 'sums.json')];
    await writePeftAdapter(target, adapter, { card: '# card', copies });
    expect((await readdir(target)).sort()).toEqual(['README.md', CONFIG, WEIGHTS, 'sums.json']);
    expect((await failure(writePeftAdapter(target, adapter))).message).toContain('exists already and is not empty');
    await writePeftAdapter(target, adapter, { existing: 'replace' });
    expect((await readdir(target)).sort()).toEqual([CONFIG, WEIGHTS]);
  });

  it('refuses what PEFT could not load, before anything is written', async () => {
    const adapter = await readPeftAdapter(fixture('exact'));
    const target = join(folder, 'out');
    const cases: [Partial<PeftAdapter>, RegExp][] = [
      [{ targetModules: [QUERY] }, /left over {4}bert.encoder.layer.0.output.dense, which target_modules/],
      [{ targetModules: [...adapter.targetModules, 'x.y'] }, /missing {6}the tensors of x.y/],
      [{ modules: new Map(), targetModules: [] }, /without adapted modules/],
      [{ saved: [] }, /missing {6}classifier/],
      [{ rankPattern: {} }, /output.dense.lora_A is \[2,12\], expected \[4, in\]/],
      [{ modulesToSave: ['classifier', 'output'] }, /both adapted and in modules_to_save/],
    ];
    for (const [change, message] of cases) {
      expect((await failure(writePeftAdapter(target, { ...adapter, ...change }))).message).toMatch(message);
    }
    expect(await readdir(folder)).toEqual([]);
  });
});

describe('rank and scaling', () => {
  const base = {
    type: loraType,
    fields: {},
    rank: 4,
    alpha: 8,
    rankPattern: { 'output.dense': 2, 'layer\\.[01]\\.x': 16 },
    alphaPattern: { 'output.dense': 6 },
  };

  it('looks patterns up as PEFT does, as regular expressions for the end of the path', () => {
    expect(rankOf(base, 'bert.layer.3.output.dense')).toBe(2);
    expect(rankOf(base, 'bert.layer.1.x')).toBe(16);
    expect(rankOf(base, 'bert.layer.2.x')).toBe(4);
    expect(rankOf(base, 'bert.myoutput.dense')).toBe(4);
  });

  it('is alpha / rank, and alpha / √rank when rank-stabilised', () => {
    expect(scalingOf({ ...base, fields: {} }, 'a.output.dense')).toBe(3);
    expect(scalingOf({ ...base, fields: {} }, 'a.b')).toBe(2);
    expect(scalingOf({ ...base, fields: { use_rslora: true } }, 'a.b')).toBe(4);
  });
});

describe('modelCard', () => {
  it('states the base model, how to load it, and only the scores it is given', () => {
    const input = {
      title: 'cola-diffora',
      method: 'LoRA',
      baseModel: 'org/base',
      peftType: 'LORA',
      facts: { 'trained parameters of the method': 1168, 'trained parameters of the head': 27 },
      adaptedModules: [QUERY],
      paragraphs: ['Trained on CoLA.'],
      use: classification.card({ labels: ['no', 'yes', 'may"be'] }),
      labels: ['no', 'yes', 'may"be'],
    };
    const hub = { repository: 'nyu-mll/glue', config: 'cola' };
    const scored = { scored: { name: 'cola', split: 'dev', hub, scores: { matthews: 0.41, f1: Number.NaN } } };
    const card = modelCard({ ...input, ...scored });
    const [, frontMatter, body] = card.split('---\n');
    expect(parse(frontMatter!)).toEqual({
      base_model: 'org/base',
      library_name: 'peft',
      pipeline_tag: 'text-classification',
      tags: ['base_model:adapter:org/base', 'diffora', 'lora', 'transformers'],
      datasets: ['nyu-mll/glue'],
      'model-index': [
        {
          name: 'cola-diffora',
          results: [
            {
              task: { type: 'text-classification' },
              dataset: { name: 'cola', type: 'nyu-mll/glue', config: 'cola', split: 'dev' },
              metrics: [{ type: 'matthews_correlation', value: 0.41, name: 'matthews' }],
            },
          ],
        },
      ],
    });
    expect(body).toContain('from_pretrained("org/base", num_labels=3)');
    expect(body).toContain('| cola, dev | |\n|---|---|\n| matthews | 0.41 |\n');
    expect(body).toContain('| trained parameters of the method | 1,168 |');
    expect(body).toContain('npx diffora predict --adapter');
    expect(modelCard(input)).not.toContain('Scores');
    const own = modelCard({ ...input, method: 'BitFit', peftType: undefined });
    expect(own).toContain('PEFT has no such method');
    expect(own).not.toContain('PeftModel');
    // PEFT 0.21, PeftModel._get_peft_specific_model_tags: lora for LORA alone.
    const other = modelCard({ ...input, method: 'IA³', peftType: 'IA3' });
    expect(parse(other.split('---\n')[1]!).tags).toEqual(['base_model:adapter:org/base', 'diffora', 'transformers']);
  });
});
