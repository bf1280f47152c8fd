import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openCheckpoint } from '../../src/checkpoint/open.js';
import { readSafetensorsHeader, readTensor } from '../../src/checkpoint/safetensors.js';
import { expectClose } from '../fixtures.js';
import { diffora, letterModel, quickRun, resultOf, reviewsFolder, type temporaryFolder, tinyModel } from './run.js';

let folder: Awaited<ReturnType<typeof temporaryFolder>>;
let task: string;
let sums: string;
beforeAll(async () => {
  ({ folder, task } = await reviewsFolder());
  const rows = folder.path('texts.jsonl');
  const row = (i: number) => JSON.stringify({ text: 'abcdefgh'[i % 8], label: 'hgfedcba'[i % 8] });
  await writeFile(rows, Array.from({ length: 24 }, (_, i) => row(i)).join('\n'));
  sums = folder.path('texts.yaml');
  await writeFile(
    sums,
    `kind: language\ntrain: texts.jsonl\ncolumns: { text: text, label: label }\nprompt: "{text} "\n`,
  );
});
afterAll(() => folder.remove());

async function succeeded(...args: string[]): Promise<string> {
  const { code, stdout, stderr } = await diffora(...args);
  expect(code, stderr).toBe(0);
  return stdout;
}

async function tensorsOf(file: string): Promise<Map<string, Float32Array>> {
  const { tensors } = await readSafetensorsHeader(file);
  return new Map(await Promise.all([...tensors].map(async ([name, one]) => [name, await readTensor(one)] as const)));
}
const adapterOf = (run: string) => tensorsOf(join(run, 'adapter', 'adapter_model.safetensors'));
const configOf = async (run: string) => JSON.parse(await readFile(join(run, 'adapter', 'adapter_config.json'), 'utf8'));

const norm = 'bert.encoder.layer.0.output.LayerNorm';
const text = ['--text', 'a very good film', '--json'];

describe.each(['lora', 'dora', 'ia3', 'vera', 'head'])('--save-modules beside %s', (method) => {
  const run = () => folder.path(`run-${method}`);

  it('trains the modules, and saves them as PEFT does', async () => {
    await succeeded(
      'train',
      ...quickRun(task, '--method', method, '--save-modules', 'layer.0.output.LayerNorm'),
      '--output',
      run(),
    );
    expect((await configOf(run())).modules_to_save).toEqual(['classifier', 'bert.pooler', norm]);
    const base = await openCheckpoint(tinyModel);
    const saved = (await adapterOf(run())).get(`base_model.model.${norm}.weight`)!;
    const before = await readTensor(base.tensors.get(norm.replace('bert.', '').concat('.weight'))!);
    expect(saved).toHaveLength(before.length);
    expect(saved).not.toEqual(before);
  });

  it('predicts with them, from the adapter and merged', async () => {
    const adapted = resultOf(await succeeded('predict', '--adapter', run(), ...text));
    const merged = folder.path(`merged-${method}`);
    await succeeded('merge', '--adapter', run(), '--output', merged);
    const own = resultOf(await succeeded('predict', '--model', merged, '--max-length', '16', ...text));
    expectClose('logits', own.logits, adapted.logits, { relative: 1e-4, floor: 1e-5 });
    const values = await tensorsOf(join(merged, 'model.safetensors'));
    expect(values.get(`${norm}.weight`)).toEqual((await adapterOf(run())).get(`base_model.model.${norm}.weight`));
  });

  it('goes on from them with --adapter, and writes them back', async () => {
    const again = folder.path(`again-${method}`);
    await succeeded('train', ...quickRun(task, '--adapter', run()), '--output', again);
    const [first, second] = [await adapterOf(run()), await adapterOf(again)];
    expect([...second.keys()]).toEqual([...first.keys()]);
    expect((await configOf(again)).modules_to_save).toEqual((await configOf(run())).modules_to_save);
    const key = `base_model.model.${norm}.bias`;
    expect(second.get(key)).not.toEqual(first.get(key));
  });

  it('is shown by inspect, apart from the head', async () => {
    const { adapter } = resultOf(await succeeded('inspect', run(), '--json'));
    // Scale and offset of a norm of width 32; classifier of 2 labels and pooler.
    expect(adapter.parameters).toMatchObject({ replaced: 64, head: 2 * 32 + 2 + 32 * 32 + 32 });
    expect(adapter.savedModules).toEqual([norm]);
  });
});

describe('embeddings and a tied output', () => {
  it.each([['embed_tokens'], ['lm_head'], ['embed_tokens,lm_head']])(
    'go their own ways where %s is trained, merged too, as PEFT has it',
    async (names) => {
      const model = await letterModel('qwen2', folder.path(`qwen2-${names}`));
      const run = folder.path(`run-${names}`);
      const flags = ['--method', 'lora', '--rank', '2', '--targets', 'q_proj', '--save-modules', names, '--lr', '0.05'];
      const common = ['--task', sums, '--threads', '1', '--epochs', '1', '--batch-size', '8', '--max-length', '16'];
      await succeeded('train', '--model', model, ...common, ...flags, '--output', run);
      const saved = [...(await adapterOf(run)).keys()].filter((name) => !name.includes('lora_'));
      const paths = { embed_tokens: 'model.embed_tokens', lm_head: 'lm_head' } as const;
      const wanted = names.split(',').map((name) => `base_model.model.${paths[name as keyof typeof paths]}.weight`);
      expect(saved.sort()).toEqual(wanted.sort());
      const merged = folder.path(`merged-${names}`);
      await succeeded('merge', '--adapter', run, '--output', merged);
      const config = JSON.parse(await readFile(join(merged, 'config.json'), 'utf8'));
      expect(config.tie_word_embeddings).toBe(false);
      const prompt = ['--prompt', 'a b', '--max-new-tokens', '6', '--temperature', '0', '--json'];
      const adapted = resultOf(await succeeded('generate', '--adapter', run, ...prompt));
      expect(resultOf(await succeeded('generate', '--model', merged, ...prompt)).text).toBe(adapted.text);
      const tensors = await tensorsOf(join(merged, 'model.safetensors'));
      expect(tensors.get('lm_head.weight')).not.toEqual(tensors.get('model.embed_tokens.weight'));
    },
  );
});

describe('--save-modules is refused', () => {
  it.each([
    ['LayerNom', [], /bert has no such module|has no such module; nearest: .*LayerNorm/],
    ['classifier', [], /part of the head, which is trained anyway/],
    ['query', [], /query is adapted already/],
    ['LayerNorm', ['--method', 'bitfit'], /saveModules is read by method head, lora/],
  ])('%s %j', async (names, more, message) => {
    const { code, stderr } = await diffora(
      'train',
      ...quickRun(task, '--method', 'lora', ...(more as string[]), '--save-modules', names as string),
      '--output',
      folder.path('refused'),
    );
    expect(code).toBe(2);
    expect(stderr).toMatch(message as RegExp);
  });
});
