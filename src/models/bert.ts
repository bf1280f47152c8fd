import * as z from 'zod';
import type { Checkpoint } from '../checkpoint/types.js';
import {
  bertConfigShape,
  bertMaskedOptions,
  bertModules,
  bertOwnKeys,
  bertPredictions,
  bertSpellings,
  bertTensors,
  encode,
  fromZero,
  isPositionIds,
  type WantedTokens,
} from './bertEncoder.js';
import { activations, fillerId, headSizeOf, readConfig } from './config.js';
import { configKeys } from './keys/configKeys.js';
import { maskedHead } from './maskedHead.js';
import type { Architecture, BatchInputs, BuildHooks, Family } from './model.js';
import { pooledHead } from './pooledHead.js';
import { tokenHead } from './tokenHeads.js';

const configSchema = z.object(bertConfigShape);
const keys = configKeys(configSchema, bertOwnKeys);

/** BERT (arXiv 1810.04805) and MiniLM, with the heads of transformers' modeling_bert.py. */
export const bert: Family = { name: 'BERT', modelTypes: ['bert'], keys, describe };

function describe(checkpoint: Checkpoint): Architecture {
  const config = readConfig(configSchema, keys, checkpoint);
  headSizeOf(checkpoint, ['hidden_size', config.hidden_size], ['num_attention_heads', config.num_attention_heads]);
  const states = (wanted: WantedTokens) => (inputs: BatchInputs, hooks: BuildHooks) =>
    encode('bert', inputs, config, hooks, { wanted, positions: fromZero });
  const perToken = {
    hiddenSize: config.hidden_size,
    initializerRange: config.initializer_range,
    encode: states('all'),
  };
  const dropout = config.classifier_dropout ?? config.hidden_dropout_prob;
  return {
    layers: config.num_hidden_layers,
    adaptable: bertModules('bert', config),
    tensors: bertTensors('bert', config),
    spellings: bertSpellings('bert'),
    isBuffer: isPositionIds,
    vocabSize: config.vocab_size,
    maxLength: config.max_position_embeddings,
    padTokenId: fillerId(config.pad_token_id, config.vocab_size),
    tokenTypes: config.type_vocab_size,
    states: states('all'),
    encoder: 'BertModel',
    heads: {
      SEQ_CLS: (numLabels) =>
        pooledHead(numLabels, {
          ...perToken,
          architecture: 'BertForSequenceClassification',
          pooler: 'bert.pooler',
          dense: 'bert.pooler.dense',
          dropout,
          encode: states('first'),
        }),
      TOKEN_CLS: (numLabels) =>
        tokenHead('classifier', numLabels, { ...perToken, architecture: 'BertForTokenClassification', dropout }),
      QUESTION_ANS: () =>
        tokenHead('qa_outputs', 2, { ...perToken, architecture: 'BertForQuestionAnswering', dropout: 0 }),
      MASKED_LM: () =>
        maskedHead(checkpoint, {
          ...bertMaskedOptions('bert', config, bertSpellings('bert')),
          ...bertPredictions,
          architecture: 'BertForMaskedLM',
          activation: activations[config.hidden_act],
          encode: states('all'),
        }),
    },
  };
}
