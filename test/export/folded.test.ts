import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { loraPlan } from '../../src/adapters/methods/lora.js';
import type { AdapterPlan } from '../../src/adapters/plan.js';
import { adapterMethods } from '../../src/adapters/registry.js';
import { openCheckpoint } from '../../src/checkpoint/open.js';
import { adapterParameters } from '../../src/engine/parameters.js';
import { type ExportFormatName, exportFormats } from '../../src/export/formats.js';
import { makeFolders } from '../../src/files/atomic.js';
import { openLikelihoods } from '../../src/infer/likelihood.js';
import { planRun } from '../../src/jobs/plan.js';
import type { Model } from '../../src/models/model.js';
import { openModel } from '../../src/models/registry.js';
import { parseTrainConfig, type TrainConfigInput } from '../../src/settings/config.js';
import type { Adapted } from '../../src/tasks/kinds/kind.js';
import { loadTokenizer } from '../../src/tokenize/index.js';
import { temporaryFolder } from '../cli/run.js';
import { expectClose } from '../fixtures.js';
import { nightly } from '../nightly.js';
import { sourceOf } from './familySources.js';
import { modelOf } from './models.js';

const folder = await temporaryFolder();
afterAll(() => folder.remove());

const sequences = [
  [5, 9, 12, 40, 7],
  [7, 8, 33],
];

/** −log p of every token but the first: the vocabulary's logits decide it. */
async function lossesOf({ opened, plan, parameters }: Adapted): Promise<number[]> {
  const reader = await openLikelihoods(opened.model, { plan, parameters }, { threads: 1 });
  const examples = sequences.flatMap((ids) =>
    ids.slice(1).map((label, at) => ({
      inputIds: Int32Array.from(ids),
      tokenTypeIds: new Int32Array(ids.length),
      tokenLabels: Int32Array.from(ids, (_, i) => (i === at ? label : -100)),
      label: undefined,
    })),
  );
  const scores = await reader.each(
    examples.map((one, index) => ({ ...one, index })),
    {},
  );
  await reader.release();
  return scores.map(({ logLikelihood }) => -logLikelihood);
}

let count = 0;
/** What a model with an adapter gives, every trained number moved, and what its files give. */
async function compared(family: string, planOf: (model: Model) => AdapterPlan, formats: readonly ExportFormatName[]) {
  const path = await modelOf(family, folder.path(`${family}-${count++}`));
  const model = openModel(await openCheckpoint(path), { taskType: 'CAUSAL_LM', numLabels: 0, head: 'none' });
  const plan = planOf(model);
  const parameters = await adapterParameters(plan, model, 1);
  for (const { name, values } of parameters) {
    for (let i = 0; i < values.length; i++) values[i]! += 0.1 * Math.sin(7.3 * i + name.length);
  }
  plan.control?.(20);
  const source = sourceOf(model, plan, parameters);
  const opened = { ...source.opened, tokenizer: await loadTokenizer(path) };
  const own = await lossesOf({ opened, plan, parameters });
  const plain = await lossesOf({
    opened,
    plan: loraPlan({ rank: 1, alpha: 1 }, { own: [], shared: [] }),
    parameters: [],
  });
  expect(own.some((loss, i) => Math.abs(loss - plain[i]!) > 1e-2)).toBe(true);
  for (const name of formats) {
    const format = exportFormats[name];
    const dtypes = [format.dtypes[0]!];
    const request = { dtypes, adapterAlone: false };
    expect(await format.refuse({ ...source, opened }, request)).toBeUndefined();
    const output = folder.path(`out-${count++}`);
    await makeFolders(output);
    const [file] = await format.write({ ...source, opened }, output, request);
    const got = await format.useFile({ ...source, opened }, join(output, file!.file), lossesOf, {});
    expectClose(`${name}: losses`, got, own, { relative: 1e-4, floor: 1e-4 });
  }
}

describe('an adapter folded in gives what the adapter gives', () => {
  const short = ['lora', 'dora', 'ia3', 'vera', 'adalora', 'full', 'pissa', 'houlsby'];
  const all = Object.keys(adapterMethods).filter((name) => (nightly ? name !== 'head' : short.includes(name)));
  const withConv1d = nightly ? all : ['lora', 'dora', 'ia3'];
  it.each([...all.map((method) => [method, 'qwen2']), ...withConv1d.map((method) => [method, 'gpt2'])] as [
    string,
    string,
  ][])('%s on %s', async (method, family) => {
    const { method: usual } = parseTrainConfig({ task: 'x', method } as TrainConfigInput, 'test');
    // Ranks that the smallest projections have.
    const settings = 'rank' in usual && usual.rank !== undefined ? { ...usual, rank: 2, adaloraInitRank: 3 } : usual;
    const isBottleneck = ['houlsby', 'pfeiffer'].includes(method);
    await compared(family, (model) => planRun(model, settings, undefined), isBottleneck ? ['onnx'] : ['onnx', 'gguf']);
  });

  it.each([
    ['qwen2', ['embed_tokens', 'lm_head']],
    ['qwen2', ['embed_tokens']],
    ['gpt2', ['lm_head', 'ln_1']],
    ['llama', ['norm', 'lm_head']],
  ])('modules of %s that are trained whole: %s', async (family, saveModules) => {
    const settings = parseTrainConfig({ task: 'x', method: 'lora', rank: 2, saveModules }, 'test').method;
    await compared(family, (model) => planRun(model, settings, undefined), ['onnx', 'gguf']);
  });

  it.each([
    ['qwen2', 'model.embed_tokens'],
    ['qwen2', 'lm_head'],
    ['gpt2', 'transformer.wte'],
    ['gpt2', 'transformer.wpe'],
    ['llama', 'lm_head'],
  ])('pairs on %s, %s', async (family, path) => {
    const planOf = (model: Model) => {
      const own = model.further.filter((one) => one.path === path);
      expect(own).toHaveLength(1);
      return loraPlan({ rank: 2, alpha: 4 }, { own, shared: [] });
    };
    await compared(family, planOf, ['onnx', 'gguf']);
  });
});
