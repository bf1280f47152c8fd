import type { ResolvedModel } from '../../checkpoint/resolve.js';
import type { Checkpoint } from '../../checkpoint/types.js';
import type { Reporter } from '../../reporter.js';
import type { Tokenizer } from '../../tokenize/index.js';
import type { HeadTensor, Model, ModelOptions } from '../model.js';
import { openModel } from '../registry.js';
import type { LoadedModel } from './loadModel.js';
import { vectorOptions } from './vectorOptions.js';
import { withinTokenTypes } from './withinTokenTypes.js';

/** A model with its tokenizer. */
export interface OpenedModel {
  readonly model: Model;
  readonly tokenizer: Tokenizer;
  readonly resolved: ResolvedModel;
}

/** A loaded model with a head. @throws DiffoError when it can have none such, or its weights do not fit */
export function withHead(
  loaded: LoadedModel,
  given: ModelOptions | ((checkpoint: Checkpoint) => ModelOptions),
  reporter: Reporter,
): OpenedModel {
  const { name, checkpoint, tokenizer, resolved, device, sentence } = loaded;
  const options = typeof given === 'function' ? given(checkpoint) : given;
  const isVector = options.taskType === 'FEATURE_EXTRACTION';
  const vectors = isVector ? vectorOptions(name, options.vectors, sentence) : undefined;
  const model: Model = { ...openModel(checkpoint, { ...options, vectors }), device };
  if (model.unused.length > 0) {
    const shown = model.unused.slice(0, 3).join(', ');
    const more = model.unused.length > 3 ? ` and ${model.unused.length - 3} more` : '';
    reporter.info(
      `${model.unused.length} tensors of ${name} have no place in the model and are left out: ${shown}${more}`,
    );
  }
  return { model, tokenizer: withinTokenTypes(tokenizer, model), resolved };
}

/**
 * The model with a new head whose outputs start from other values than 0: the bias that is as long as they are. A head
 * without one, as of decoders, or with the checkpoint's own values stays as it is.
 */
export function withOutputBias(model: Model, start: readonly number[]): Model {
  const isBias = ({ shape, deviation }: HeadTensor) => deviation === 0 && `${shape}` === `${[start.length]}`;
  return { ...model, head: model.head.map((one) => (isBias(one) ? { ...one, start } : one)) };
}

/** Says which part of the head is made new because the checkpoint has none that fits, and how texts become vectors. */
export function noteNewHead({ head, checkpoint, vectors }: Model, reporter: Reporter): void {
  if (vectors !== undefined) {
    const { pooling, normalize } = vectors;
    reporter.info(`Vectors of ${checkpoint.name}: pooling ${pooling}${normalize ? ', of length 1' : ''}`);
  }
  const made = head.filter(({ stored }) => stored === undefined).map(({ name }) => name);
  if (made.length > 0) reporter.info(`The head is new, ${checkpoint.name} has none that fits: ${made.join(', ')}`);
}
