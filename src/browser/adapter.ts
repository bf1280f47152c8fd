import { checkAdapter } from '../adapters/peft/check.js';
import { configText } from '../adapters/peft/configText.js';
import { keyedTensors, weightsMetadata } from '../adapters/peft/keyed.js';
import { ADAPTER_CONFIG_FILE, ADAPTER_WEIGHTS_FILE } from '../adapters/peft/names.js';
import { peftAdapterOf } from '../adapters/peftAdapter.js';
import type { AdapterPlan } from '../adapters/plan.js';
import { taskFileOf } from '../artifacts/taskFileOf.js';
import { safetensorsBytes } from '../checkpoint/safetensorsLayout.js';
import type { Parameter } from '../engine/parameters.js';
import { DiffoError } from '../errors.js';
import type { OpenedModel } from '../models/loading/withHead.js';
import { inputExample, type PredictionInput } from '../tasks/inputExample.js';
import type { Answerer, LabelPrediction } from '../tasks/kinds/kind.js';
import type { Task } from '../tasks/task.js';

/** An adapter on its base model, in a tab. It holds a compiled graph from the first prediction on, until it is closed. */
export interface BrowserAdapter {
  readonly task: Pick<Task, 'name' | 'kind' | 'labels'>;
  /**
   * A prediction for each text, in order: the likeliest label with its probability, or a score.
   * @throws DiffoError for an input without the pair that the task is about, or after {@link close}
   */
  predict(inputs: readonly PredictionInput[], options?: { readonly signal?: AbortSignal }): Promise<LabelPrediction[]>;
  /**
   * The adapter as files by name: adapter_config.json and adapter_model.safetensors in PEFT's format, with task.json, by
   * which `diffora predict` knows the labels. See {@link download}.
   */
  save(): Promise<Map<string, Uint8Array<ArrayBuffer>>>;
  /** Waits for what is under way and frees the memory. A second call does nothing. */
  close(): Promise<void>;
}

/** What was learned, and how it is run. */
export interface TrainedParts {
  readonly opened: OpenedModel;
  readonly plan: AdapterPlan;
  readonly parameters: readonly Parameter[];
  readonly task: Task;
  readonly maxLength: number;
  readonly threads: number;
  readonly totalSteps: number;
}

export function browserAdapter(parts: TrainedParts): BrowserAdapter {
  const { opened, plan, parameters, task, maxLength, threads, totalSteps } = parts;
  const running = new Set<Promise<unknown>>();
  let answerer: Promise<Answerer> | undefined;
  let closing: Promise<void> | undefined;
  const answered = async (inputs: readonly PredictionInput[], signal: AbortSignal | undefined) => {
    const examples = inputs.map((input, i) => inputExample(input, i, task));
    answerer ??= task.kind.answerer({ opened, plan, parameters }, { threads }).catch((error) => {
      answerer = undefined;
      throw error;
    });
    const open = await answerer;
    return (await open.answer(task, examples, { maxLength, threads, signal, warn: () => {} })) as LabelPrediction[];
  };
  return {
    task,
    predict(inputs, { signal } = {}) {
      if (closing !== undefined) return Promise.reject(new DiffoError('The adapter is closed. Train it again.'));
      const call = answered(inputs, signal).finally(() => running.delete(call));
      running.add(call);
      return call;
    },
    async save() {
      const byName = new Map(parameters.map((one) => [one.name, one]));
      const values = (name: string) => byName.get(name)!.values;
      const tensor = (name: string) => ({ name, shape: byName.get(name)!.shape, data: values(name) });
      const contents = plan.save(opened.model, values, { totalSteps });
      if (contents.format !== 'peft') throw new Error(`${plan.method} is not saved in PEFT's format`);
      const { taskType, checkpoint, headPart } = opened.model;
      const adapter = peftAdapterOf(opened.model, plan, contents, tensor, { baseModel: checkpoint.name, taskType });
      checkAdapter(adapter, 'the adapter');
      const file = { ...taskFileOf(task, maxLength), ...(headPart === 'none' ? {} : { head: headPart }) };
      const text = (content: string) => new TextEncoder().encode(content);
      return new Map([
        [ADAPTER_CONFIG_FILE, text(configText(adapter))],
        [ADAPTER_WEIGHTS_FILE, safetensorsBytes(keyedTensors(adapter), weightsMetadata)],
        ['task.json', text(`${JSON.stringify(file, null, 2)}\n`)],
      ]);
    },
    close() {
      closing ??= (async () => {
        await Promise.allSettled(running);
        await (await answerer)?.release();
      })();
      return closing;
    },
  };
}
