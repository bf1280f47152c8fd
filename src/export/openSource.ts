import { noAdapters } from '../adapters/plan.js';
import { mergedKey } from '../artifacts/adapterFolder.js';
import { talkingAs } from '../artifacts/chatTemplate.js';
import { headedConfig } from '../artifacts/headedConfig.js';
import { type AdapterOptions, type Learned, openAdapted } from '../artifacts/openAdapted.js';
import type { Checkpoint } from '../checkpoint/types.js';
import { DiffoError } from '../errors.js';
import { loadModel } from '../models/loading/loadModel.js';
import { withHead } from '../models/loading/withHead.js';
import type { ModelOptions } from '../models/model.js';
import { openModel } from '../models/registry.js';
import { type ProgressOptions, silent } from '../reporter.js';
import { labelNames } from '../tasks/kinds/savedLabels.js';
import { ownHeadIn } from '../tasks/ownHeads.js';
import type { ExportSource } from './source.js';

/** An adapter on its base model, to be exported together. */
export async function openLearned(options: AdapterOptions): Promise<{ learned: Learned; source: ExportSource }> {
  const { loaded, ...learned } = await openAdapted(options);
  const { name, plan, parameters, task } = learned;
  const opened = { ...learned.opened, tokenizer: talkingAs(task, learned.opened.tokenizer) };
  const { checkpoint } = opened.model;
  if (checkpoint.metadata[mergedKey] !== undefined) {
    throw new DiffoError(
      `${checkpoint.name} already has an adapter folded in. Export it alone with --model, or the adapter on its plain base model ${loaded.baseModel}.`,
    );
  }
  const config = headedConfig(opened.model, task);
  // Clients make vectors of the states themselves, as transformers.js and sentence-transformers do.
  const outputs = opened.model.vectors === undefined ? 'logits' : 'states';
  return { learned, source: { name, baseModel: loaded.baseModel, opened, plan, parameters, task, outputs, config } };
}

/**
 * A checkpoint with the head that it was saved with. Where it names none, an encoder gives its hidden states and a decoder
 * the next token, as transformers' AutoModel and AutoModelForCausalLM open such files.
 */
export async function openOwn(
  model: NonNullable<AdapterOptions['model']>,
  { reporter = silent, signal }: ProgressOptions,
): Promise<ExportSource> {
  const loaded = typeof model === 'object' ? model : await loadModel(model, { reporter, signal });
  const { checkpoint, name } = loaded;
  const options = ownHeadOptions(checkpoint);
  if (options === undefined) reporter.info(`${name} has no head that diffora runs: its hidden states are exported.`);
  const opened = withHead(loaded, options ?? anyHead, reporter);
  const { encoder, architecture } = opened.model;
  const { _name_or_path: _, ...config } = checkpoint.config;
  const named = options === undefined ? encoder : architecture;
  const outputs = options === undefined ? 'states' : 'logits';
  const baseModel = loaded.resolved.source === 'folder' ? name : name.split('@')[0]!;
  return {
    name,
    baseModel,
    opened,
    plan: noAdapters,
    parameters: [],
    outputs,
    config: { ...config, architectures: [named] },
  };
}

/** For an encoder whose states are asked for: every family has one. */
const anyHead = { taskType: 'TOKEN_CLS', numLabels: 1 } as const;

/** The head that a checkpoint was saved with; undefined for an encoder without one. */
function ownHeadOptions(checkpoint: Checkpoint): ModelOptions | undefined {
  const head = ownHeadIn(checkpoint)?.head;
  if (head !== undefined) return { taskType: head.taskType, numLabels: labelNames(checkpoint).length, head: 'none' };
  if (openModel(checkpoint, anyHead).encoder !== undefined) return undefined;
  return { taskType: 'CAUSAL_LM', numLabels: 0, head: 'none' };
}
