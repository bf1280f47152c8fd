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
  type WantedTokens,
} from './bertEncoder.js';
import { fillerId, headSizeOf, readConfig, width } from './config.js';
import { denseHead } from './denseHead.js';
import { configKeys } from './keys/configKeys.js';
import { linear, linearTensors, sizesOf } from './layers.js';
import { maskedHead } from './maskedHead.js';
import type { Architecture, BatchInputs, BuildHooks, Family } from './model.js';
import { tokenHead } from './tokenHeads.js';

const configSchema = z.object({
  ...bertConfigShape,
  embedding_size: width.default(128),
  hidden_size: width.default(256),
  num_attention_heads: width.default(4),
  intermediate_size: width.default(1024),
});
const ofChoices = 'of the head of multiple choices, which is not built';
const keys = configKeys(configSchema, {
  ...bertOwnKeys,
  ignored: {
    summary_type: ofChoices,
    summary_use_proj: ofChoices,
    summary_activation: ofChoices,
    summary_first_dropout: ofChoices,
    summary_last_dropout: ofChoices,
    summary_proj_to_labels: ofChoices,
  },
});

const prefix = 'electra';
const projection = `${prefix}.embeddings_project`;

/** ELECTRA (arXiv 2003.10555): BERT with embeddings of another width, and the heads of modeling_electra.py. */
export const electra: Family = { name: 'ELECTRA', modelTypes: ['electra'], keys, describe };

function describe(checkpoint: Checkpoint): Architecture {
  const config = readConfig(configSchema, keys, checkpoint);
  const { hidden_size: hidden, embedding_size: embedding, initializer_range: initializerRange } = config;
  headSizeOf(checkpoint, ['hidden_size', hidden], ['num_attention_heads', config.num_attention_heads]);
  const isProjected = embedding !== hidden;
  const states = (wanted: WantedTokens) => (inputs: BatchInputs, hooks: BuildHooks) =>
    encode(prefix, inputs, config, hooks, {
      wanted,
      positions: (table) => ops.slice(table, { axis: 0, start: 0, length: sizesOf(inputs).seq }),
      project: isProjected ? (embedded: Tensor) => linear(projection, embedded, hooks) : undefined,
    });
  const dropout = config.classifier_dropout ?? config.hidden_dropout_prob;
  const perToken = { hiddenSize: hidden, initializerRange, encode: states('all') };
  return {
    layers: config.num_hidden_layers,
    adaptable: bertModules(prefix, config),
    tensors: [
      ...bertTensors(prefix, config, embedding),
      ...(isProjected ? linearTensors(projection, hidden, embedding) : []),
    ],
    spellings: bertSpellings(prefix),
    isBuffer: isPositionIds,
    vocabSize: config.vocab_size,
    maxLength: config.max_position_embeddings,
    padTokenId: fillerId(config.pad_token_id, config.vocab_size),
    tokenTypes: config.type_vocab_size,
    states: states('all'),
    encoder: 'ElectraModel',
    heads: {
      SEQ_CLS: (numLabels) =>
        denseHead(numLabels, {
          ...perToken,
          architecture: 'ElectraForSequenceClassification',
          encode: states('first'),
          dropout,
          activation: ops.gelu,
        }),
      TOKEN_CLS: (numLabels) =>
        tokenHead('classifier', numLabels, { ...perToken, architecture: 'ElectraForTokenClassification', dropout }),
      QUESTION_ANS: () =>
        tokenHead('qa_outputs', 2, { ...perToken, architecture: 'ElectraForQuestionAnswering', dropout: 0 }),
      MASKED_LM: () =>
        maskedHead(checkpoint, {
          ...bertMaskedOptions(prefix, config, bertSpellings(prefix)),
          architecture: 'ElectraForMaskedLM',
          dense: 'generator_predictions.dense',
          norm: 'generator_predictions.LayerNorm',
          output: 'generator_lm_head',
          width: embedding,
          activation: ops.gelu,
          encode: states('all'),
        }),
    },
  };
}
