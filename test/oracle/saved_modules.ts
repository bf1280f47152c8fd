/**
 * diffora's side of test/oracle/saved_modules.py: adapters with modules that are saved whole, every trained number moved, and
 * the logits that they have here.
 */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { saveAdapter } from '../../src/artifacts/adapterFolder.js';
import { openCheckpoint } from '../../src/checkpoint/open.js';
import { adapterParameters, headParameters, trainedOf } from '../../src/engine/parameters.js';
import { planRun } from '../../src/jobs/plan.js';
import { openModel } from '../../src/models/registry.js';
import { parseTrainConfig, type TrainConfigInput } from '../../src/settings/config.js';
import { outcomeOf } from '../adapters/peft/others.js';
import { oraclePath } from '../fixtures.js';
import { lettersTask as task } from '../models/lettersTask.js';

const cases: readonly (readonly [base: string, taskType: 'CAUSAL_LM' | 'SEQ_CLS', Partial<TrainConfigInput>])[] = [
  ['qwen2', 'CAUSAL_LM', { method: 'lora', rank: 2, saveModules: ['embed_tokens', 'lm_head'] }],
  ['qwen2', 'CAUSAL_LM', { method: 'lora', rank: 2, saveModules: ['embed_tokens'] }],
  ['gpt2', 'CAUSAL_LM', { method: 'dora', rank: 2, saveModules: ['lm_head', 'ln_1'] }],
  ['llama', 'CAUSAL_LM', { method: 'ia3', saveModules: ['norm', 'lm_head'] }],
  ['bert', 'SEQ_CLS', { method: 'vera', rank: 4, saveModules: ['LayerNorm', 'word_embeddings'] }],
  ['roberta', 'SEQ_CLS', { method: 'adalora', rank: 2, saveModules: ['LayerNorm'] }],
  ['distilbert', 'SEQ_CLS', { method: 'rslora', rank: 2, saveModules: ['embeddings'] }],
];
const inputIds = [
  [5, 9, 12, 40],
  [7, 8, 33, 59],
];

const folder = process.argv[2]!;
const rows: unknown[] = [];
for (const [i, [base, taskType, settings]] of cases.entries()) {
  const model = openModel(await openCheckpoint(oraclePath(`families/${base}`)), { taskType, numLabels: 3 });
  const plan = planRun(model, parseTrainConfig({ task: 'x', ...settings }, 'oracle').method, undefined);
  const parameters = [...(await adapterParameters(plan, model, 1)), ...(await headParameters(model, 1))];
  for (const { name, values } of trainedOf(parameters)) {
    for (let k = 0; k < values.length; k++) values[k]! += 0.3 * Math.sin(7.3 * k + name.length);
  }
  plan.control?.(20);
  const options = { task, tokenizer: { files: [] } as never, maxLength: 16, baseModel: base, totalSteps: 20 };
  await saveAdapter(join(folder, `${i}`), model, plan, parameters, { ...options, paragraphs: [], scores: {} });
  const one = { name: `${i}`, base, taskType, peftType: '', form: '', fields: [], inputIds, shape: [], logits: [] };
  const outcome = await outcomeOf(one, join(folder, `${i}`));
  if (outcome.kind === 'refused') throw new Error(outcome.message);
  rows.push({ folder: `${i}`, base, taskType, settings, inputIds, logits: Array.from(outcome.logits) });
}
writeFileSync(join(folder, 'rows.json'), JSON.stringify(rows));
