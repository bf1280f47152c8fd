import * as z from 'zod';
import type { Checkpoint } from '../checkpoint/types.js';
import { ops, type Tensor } from '../graph/index.js';
import {
  bertConfigShape,
  bertMaskedOptions,
  bertModules,
  bertOwnKeys,
  bertSpellings,
  bertTensors,
  encode,
  isPositionIds,
  robertaPredictions,
  type WantedTokens,
} from './bertEncoder.js';
import { configError, fillerId, headSizeOf, readConfig, rowCount, tokenId } from './config.js';
import { denseHead } from './denseHead.js';
import { configKeys } from './keys/configKeys.js';
import { maskedHead } from './maskedHead.js';
import type { Architecture, BatchInputs, BuildHooks, Family } from './model.js';
import { positionIds } from './paddedPositions.js';
import { tokenHead } from './tokenHeads.js';

const prefix = 'roberta';

/** transformers' class names and sizes of vocabularies by model type. */
const variants: Readonly<Record<string, { readonly className: string; readonly vocabSize: number }>> = {
  roberta: { className: 'Roberta', vocabSize: 50_265 },
  'xlm-roberta': { className: 'XLMRoberta', vocabSize: 30_522 },
  camembert: { className: 'Camembert', vocabSize: 30_522 },
};

const configSchema = z.object({
  ...bertConfigShape,
  // Positions are counted from this id on, so that there has to be one.
  pad_token_id: tokenId.unwrap().default(1),
});
const keys = configKeys(configSchema, bertOwnKeys);

/** RoBERTa (arXiv 1907.11692), XLM-R (arXiv 1911.02116) and CamemBERT, with the heads of modeling_roberta.py. */
export const roberta: Family = { name: 'RoBERTa', modelTypes: Object.keys(variants), keys, describe };

function describe(checkpoint: Checkpoint): Architecture {
  const { className: name, vocabSize } = variants[String(checkpoint.config.model_type)]!;
  const schema = configSchema.extend({ vocab_size: rowCount.default(vocabSize) });
  const config = readConfig(schema, keys, checkpoint);
  headSizeOf(checkpoint, ['hidden_size', config.hidden_size], ['num_attention_heads', config.num_attention_heads]);
  const padTokenId = config.pad_token_id;
  if (padTokenId < -1 || padTokenId >= Math.min(config.vocab_size, config.max_position_embeddings)) {
    throw configError(
      checkpoint,
      `pad_token_id ${padTokenId} is no id of the vocabulary, from which positions are counted. Set it to that of the padding token.`,
    );
  }
  const positions = (table: Tensor, inputs: BatchInputs) => ops.gather(table, positionIds(inputs, padTokenId));
  const states = (wanted: WantedTokens) => (inputs: BatchInputs, hooks: BuildHooks) =>
    encode(prefix, inputs, config, hooks, { wanted, positions });
  const perToken = {
    hiddenSize: config.hidden_size,
    initializerRange: config.initializer_range,
    encode: states('all'),
  };
  const dropout = config.classifier_dropout ?? config.hidden_dropout_prob;
  return {
    layers: config.num_hidden_layers,
    adaptable: bertModules(prefix, config),
    tensors: bertTensors(prefix, config),
    spellings: bertSpellings(prefix),
    isBuffer: isPositionIds,
    vocabSize: config.vocab_size,
    maxLength: config.max_position_embeddings - padTokenId - 1,
    padTokenId: fillerId(padTokenId, config.vocab_size),
    tokenTypes: config.type_vocab_size,
    states: states('all'),
    encoder: `${name}Model`,
    heads: {
      SEQ_CLS: (numLabels) =>
        denseHead(numLabels, {
          ...perToken,
          architecture: `${name}ForSequenceClassification`,
          encode: states('first'),
          dropout,
          activation: ops.tanh,
        }),
      TOKEN_CLS: (numLabels) =>
        tokenHead('classifier', numLabels, { ...perToken, architecture: `${name}ForTokenClassification`, dropout }),
      QUESTION_ANS: () =>
        tokenHead('qa_outputs', 2, { ...perToken, architecture: `${name}ForQuestionAnswering`, dropout: 0 }),
      MASKED_LM: () =>
        maskedHead(checkpoint, {
          ...bertMaskedOptions(prefix, config, bertSpellings(prefix)),
          ...robertaPredictions,
          architecture: `${name}ForMaskedLM`,
          activation: ops.gelu,
          encode: states('all'),
        }),
    },
  };
}
