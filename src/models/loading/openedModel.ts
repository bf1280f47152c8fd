import type { Checkpoint } from '../../checkpoint/types.js';
import type { Reporter } from '../../reporter.js';
import type { ModelOptions } from '../model.js';
import { loadModel } from './loadModel.js';
import { type OpenedModel, withHead } from './withHead.js';

/** Finds, opens and checks a model with its head. */
export async function openModelByName(
  name: string,
  options: ModelOptions | ((checkpoint: Checkpoint) => ModelOptions),
  reporter: Reporter,
  signal?: AbortSignal,
  device?: string,
): Promise<OpenedModel> {
  return withHead(await loadModel(name, { reporter, signal, device }), options, reporter);
}
