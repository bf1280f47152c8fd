import type { Checkpoint } from '../checkpoint/types.js';
import { constant, ops, type Tensor } from '../graph/index.js';
import {
  type BertConfig,
  bertConfigSchema,
  bertModules,
  bertSpellings,
  bertTensors,
  encode,
  isPositionIds,
  type WantedTokens,
} from './bertEncoder.js';
import { configError, headSizeOf, parseConfig } from './config.js';
import { headLinear, linear, sizesOf } from './layers.js';
import type { Architecture, BatchInputs, BuildHooks, Family, Head } from './model.js';
import { tokenHead } from './tokenHeads.js';

const prefix = 'roberta';

/** transformers' class names by model type. */
const classes: Readonly<Record<string, string>> = {
  roberta: 'Roberta',
  'xlm-roberta': 'XLMRoberta',
  camembert: 'Camembert',
};

/** RoBERTa (arXiv 1907.11692), XLM-R (arXiv 1911.02116) and CamemBERT, with the heads of modeling_roberta.py. */
export const roberta: Family = { name: 'RoBERTa', modelTypes: Object.keys(classes), describe };

function describe(checkpoint: Checkpoint): Architecture {
  const config = parseConfig(bertConfigSchema, checkpoint);
  headSizeOf(checkpoint, { width: 'hidden_size', heads: 'num_attention_heads' });
  const kind = checkpoint.config.position_embedding_type ?? 'absolute';
  if (kind !== 'absolute') throw configError(checkpoint, `position_embedding_type ${String(kind)} is not supported.`);
  const padTokenId = config.pad_token_id ?? 1;
  const positions = (table: Tensor, inputs: BatchInputs) => ops.gather(table, positionIds(inputs, padTokenId));
  const states = (wanted: WantedTokens) => (inputs: BatchInputs, hooks: BuildHooks) =>
    encode(prefix, inputs, config, hooks, { wanted, positions });
  const name = classes[String(checkpoint.config.model_type)]!;
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
    padTokenId,
    heads: {
      SEQ_CLS: (numLabels) => sequenceHead(`${name}ForSequenceClassification`, config, numLabels, states('first')),
      TOKEN_CLS: (numLabels) =>
        tokenHead('classifier', numLabels, { ...perToken, architecture: `${name}ForTokenClassification`, dropout }),
      QUESTION_ANS: () =>
        tokenHead('qa_outputs', 2, { ...perToken, architecture: `${name}ForQuestionAnswering`, dropout: 0 }),
    },
  };
}

/** padding_idx + 1, + 2, … for tokens and padding_idx for padding: int64 [batch, seq]. */
function positionIds(inputs: BatchInputs, padTokenId: number): Tensor {
  const counted = ops.add(ops.cast(ops.range(sizesOf(inputs).seq), 'float32'), constant(1));
  const ofTokens = ops.mul(ops.cast(inputs.attentionMask, 'float32'), counted);
  return ops.cast(ops.add(ofTokens, constant(padTokenId)), 'int64');
}

/** RobertaClassificationHead: dropout, dense, tanh, dropout, out_proj of the first token. */
function sequenceHead(
  architecture: string,
  { hidden_size: hidden, initializer_range: range, classifier_dropout, hidden_dropout_prob }: BertConfig,
  numLabels: number,
  firstToken: (inputs: BatchInputs, hooks: BuildHooks) => Tensor,
): Head {
  const rate = classifier_dropout ?? hidden_dropout_prob;
  return {
    architecture,
    modules: [
      {
        path: 'classifier',
        role: 'head',
        tensors: [
          ...headLinear('classifier.dense', hidden, hidden, range),
          ...headLinear('classifier.out_proj', numLabels, hidden, range),
        ],
      },
    ],
    logits(inputs, hooks) {
      const first = hooks.dropout(firstToken(inputs, hooks), rate);
      const dense = hooks.dropout(ops.tanh(linear('classifier.dense', first, hooks)), rate);
      return linear('classifier.out_proj', dense, hooks);
    },
  };
}
