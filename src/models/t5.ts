import * as z from 'zod';
import type { Checkpoint, StoredTensor } from '../checkpoint/types.js';
import { DiffoError } from '../errors.js';
import {
  type Activation,
  activationNames,
  configError,
  dropoutRate,
  fillerId,
  layerCount,
  readConfig,
  rowCount,
  tokenId,
  width,
} from './config.js';
import { causalHead } from './decoderHeads.js';
import { type ConfigKeys, configKeys } from './keys/configKeys.js';
import { embeddingTensor, rmsNormTensor } from './layers.js';
import type { AdaptableModule, Architecture, Family, Projection, SubLayer } from './model.js';
import { outputName, outputWeight } from './outputWeight.js';
import { type Stack, type T5, t5Parts } from './t5Stacks.js';
import type { ExpectedTensor } from './weights.js';

/** Longest text: no table of positions bounds it, and memory does long before. */
const longest = 1_000_000;

/** Two names of one switch: transformers 5 writes the second, which then counts. */
const scaling: Readonly<
  Record<'tie_word_embeddings' | 'scale_decoder_outputs', z.ZodOptional<z.ZodNullable<z.ZodBoolean>>>
> = {
  tie_word_embeddings: z.boolean().nullish(),
  scale_decoder_outputs: z.boolean().nullish(),
};

/** What tells the relatives of T5 apart. */
interface Relative {
  readonly name: string;
  readonly modelType: string;
  /** What transformers' class names begin with. */
  readonly classes: string;
  /** Every layer has a table of distances of its own, not the first alone. */
  readonly tablePerLayer?: true;
  /** States are never scaled before the output, whatever config.json says. */
  readonly neverScaled?: true;
  readonly defaults: {
    readonly vocabSize: number;
    readonly layers: number;
    readonly heads: number;
    readonly inner: number;
    readonly feedForward: string;
    /** `decoder_start_token_id`; null: a config.json has to say it. */
    readonly startTokenId: number | null;
  };
}

const ofMultilingual: Relative['defaults'] = {
  vocabSize: 250_112,
  layers: 8,
  heads: 6,
  inner: 1024,
  feedForward: 'gated-gelu',
  startTokenId: 0,
};

/** T5 (arXiv 1910.10683) with its versions 1.0 and 1.1, and FLAN-T5 (arXiv 2210.11416). */
export const t5 = familyOf({
  name: 'T5',
  modelType: 't5',
  classes: 'T5',
  defaults: { vocabSize: 32_128, layers: 6, heads: 8, inner: 2048, feedForward: 'relu', startTokenId: null },
});

/** mT5 (arXiv 2010.11934): T5 1.1 whose states are not scaled. */
export const mt5 = familyOf({
  name: 'mT5',
  modelType: 'mt5',
  classes: 'MT5',
  neverScaled: true,
  defaults: ofMultilingual,
});

/** UMT5 (arXiv 2304.09151): mT5 with a table of distances in every layer. */
export const umt5 = familyOf({
  name: 'UMT5',
  modelType: 'umt5',
  classes: 'UMT5',
  tablePerLayer: true,
  defaults: ofMultilingual,
});

function schemaOf({ defaults, neverScaled }: Relative) {
  return z.object({
    vocab_size: rowCount.default(defaults.vocabSize),
    d_model: width.default(512),
    d_kv: width.default(64),
    d_ff: width.default(defaults.inner),
    num_layers: layerCount.default(defaults.layers),
    num_decoder_layers: layerCount.nullish(),
    num_heads: width.default(defaults.heads),
    relative_attention_num_buckets: width.min(4).default(32),
    relative_attention_max_distance: width.default(128),
    dropout_rate: dropoutRate.default(0.1),
    layer_norm_epsilon: z.number().positive().default(1e-6),
    feed_forward_proj: z.string().default(defaults.feedForward),
    dense_act_fn: z.enum(activationNames).nullish(),
    is_gated_act: z.boolean().nullish(),
    pad_token_id: tokenId.default(0),
    decoder_start_token_id: tokenId.default(defaults.startTokenId),
    ...(neverScaled ? {} : scaling),
  });
}

type Config = Omit<z.infer<ReturnType<typeof schemaOf>>, keyof typeof scaling> & {
  readonly [Key in keyof typeof scaling]?: boolean | null | undefined;
};

function familyOf(relative: Relative): Family {
  const schema = schemaOf(relative);
  const keys: ConfigKeys = configKeys(schema, {
    aliases: {
      hidden_size: 'd_model',
      num_attention_heads: 'num_heads',
      num_hidden_layers: 'num_layers',
      head_dim: 'd_kv',
    },
    ignored: {
      is_encoder_decoder: 'this family is always of two halves',
      is_decoder: 'each half is what it is',
      initializer_range: 'of weights that are made new, of which this family has none',
      max_position_embeddings: 'this family has no table of positions',
      rms_norm_eps: 'this family calls it layer_norm_epsilon',
      classifier_dropout: 'of heads that are not built for this family',
      ...(relative.neverScaled
        ? { tie_word_embeddings: 'the output is tied to the embeddings unless a file has both' }
        : {}),
    },
  });
  const { name, modelType } = relative;
  return {
    name,
    modelTypes: [modelType],
    keys,
    restated,
    describe: (checkpoint) => describe(checkpoint, readConfig(schema, keys, checkpoint) as Config, relative),
  };
}

const embeddings = 'shared.weight';
/** Names under which files hold the embeddings once more. */
const copies = ['encoder.embed_tokens.weight', 'decoder.embed_tokens.weight'];

/** Both halves embed by one table, which files hold under one name or under several. */
function restated(checkpoint: Checkpoint): Checkpoint {
  const tensors = new Map(checkpoint.tensors);
  const held = [embeddings, ...copies].flatMap((name): StoredTensor[] => {
    const one = tensors.get(name);
    return one === undefined ? [] : [one];
  });
  const [table] = held;
  if (table === undefined) return checkpoint;
  const other = held.find((one) => !checkpoint.machine.isSame(one, table));
  if (other !== undefined) {
    throw new DiffoError(
      `${checkpoint.folder}: ${other.name} is another table than ${table.name}, and both halves of this family embed by one. Take a checkpoint of this architecture.`,
    );
  }
  for (const name of copies) tensors.delete(name);
  tensors.set(embeddings, { ...table, name: embeddings });
  return { ...checkpoint, tensors };
}

function describe(checkpoint: Checkpoint, config: Config, relative: Relative): Architecture {
  const {
    d_model: hidden,
    num_layers: encoderLayers,
    vocab_size: vocabSize,
    num_heads: heads,
    d_kv: headSize,
  } = config;
  const decoderLayers = config.num_decoder_layers ?? encoderLayers;
  const model: T5 = {
    hidden,
    heads,
    headSize,
    buckets: bucketsOf(checkpoint, config),
    tablePerLayer: relative.tablePerLayer === true,
    epsilon: config.layer_norm_epsilon,
    dropout: config.dropout_rate,
    ...feedForwardOf(checkpoint, config),
    isScaled: relative.neverScaled !== true && (config.scale_decoder_outputs ?? config.tie_word_embeddings !== false),
    encoder: { name: 'encoder', layers: encoderLayers },
    decoder: { name: 'decoder', layers: decoderLayers },
  };
  const encoder = halfOf(model, model.encoder, config.d_ff, 0);
  const decoder = halfOf(model, model.decoder, config.d_ff, encoderLayers);
  const shared = embeddingTensor('shared', vocabSize, hidden);
  // transformers ties them whatever config.json says, unless a file has both and they differ.
  const output = outputWeight(checkpoint, { isTied: true, embeddings, prefix: '' });
  const parts = t5Parts(model);
  const start = config.decoder_start_token_id;
  return {
    layers: encoderLayers + decoderLayers,
    layerNames: [model.encoder, model.decoder].flatMap(({ name, layers }) =>
      Array.from({ length: layers }, (_, layer) => `${name} ${layer}`),
    ),
    adaptable: [...encoder.adaptable, ...decoder.adaptable],
    tensors: [shared, ...encoder.tensors, ...decoder.tensors],
    spellings: output.spellings,
    isBuffer: (name) =>
      name === outputName || name === 'decoder.block.0.layer.1.EncDecAttention.relative_attention_bias.weight',
    vocabSize,
    maxLength: longest,
    padTokenId: fillerId(config.pad_token_id, vocabSize),
    states: parts.read,
    encoder: `${relative.classes}EncoderModel`,
    encoderAlone: {
      layers: encoderLayers,
      adaptable: encoder.adaptable,
      tensors: [shared, ...encoder.tensors],
      isBuffer: (name) => name === outputName || name.startsWith('decoder.'),
    },
    heads: {
      SEQ_2_SEQ_LM: () => {
        if (start === null || start < 0 || start >= vocabSize) {
          throw configError(
            checkpoint,
            'decoder_start_token_id names no token, and nothing can be written without one. Add it: for T5 it is the pad_token_id.',
          );
        }
        return causalHead({
          architecture: `${relative.classes}ForConditionalGeneration`,
          output,
          shape: [vocabSize, hidden],
          states: parts.write,
          logits: parts.logits,
        });
      },
    },
    encoderDecoder: {
      layers: decoderLayers,
      heads,
      headSize,
      startTokenId: start ?? 0,
      read: parts.keysAndValues,
      step: parts.step,
    },
  };
}

type Module = readonly [
  module: string,
  inFeatures: number,
  outFeatures: number,
  role?: SubLayer | Projection | undefined,
];

/** The modules and tensors of a half. @param first number of its first layer among all */
function halfOf(model: T5, { name, layers }: Stack, inner: number, first: number) {
  const { hidden, heads, headSize, isGated, tablePerLayer } = model;
  const across = heads * headSize;
  const isDecoder = name === 'decoder';
  const attention = (of: string, end?: SubLayer): Module[] => [
    [`${of}.q`, hidden, across, 'query'],
    [`${of}.k`, hidden, across, 'key'],
    [`${of}.v`, hidden, across, 'value'],
    [`${of}.o`, across, hidden, end],
  ];
  const inward = isGated ? ['wi_0', 'wi_1'] : ['wi'];
  const subLayers = [
    attention('SelfAttention', 'attention'),
    // What is read comes into the middle of a layer, whose two ends are those of every layer.
    ...(isDecoder ? [attention('EncDecAttention')] : []),
    [
      ...inward.map((one): Module => [`DenseReluDense.${one}`, hidden, inner]),
      ['DenseReluDense.wo', inner, hidden, 'feedForward'] as Module,
    ],
  ];
  const paths = Array.from({ length: layers }, (_, layer) => `${name}.block.${layer}`);
  const adaptable = paths.flatMap((path, layer) =>
    subLayers.flatMap((modules, place) =>
      modules.map(([module, inFeatures, outFeatures, role]): AdaptableModule => {
        const at = { path: `${path}.layer.${place}.${module}`, layer: first + layer, module, inFeatures, outFeatures };
        if (role === undefined) return at;
        return role === 'attention' || role === 'feedForward' ? { ...at, ends: role } : { ...at, projects: role };
      }),
    ),
  );
  const tables = tablePerLayer ? paths : paths.slice(0, 1);
  const tensors: ExpectedTensor[] = [
    ...adaptable.map(({ path, inFeatures, outFeatures }) => ({
      name: `${path}.weight`,
      shape: [outFeatures, inFeatures],
    })),
    ...tables.map((path) =>
      embeddingTensor(`${path}.layer.0.SelfAttention.relative_attention_bias`, model.buckets.buckets, heads),
    ),
    ...paths.flatMap((path) => subLayers.map((_, place) => rmsNormTensor(`${path}.layer.${place}.layer_norm`, hidden))),
    rmsNormTensor(`${name}.final_layer_norm`, hidden),
  ];
  return { adaptable, tensors };
}

/** @throws DiffoError where distances would have to be put into buckets below 0 */
function bucketsOf(checkpoint: Checkpoint, config: Config) {
  const { relative_attention_num_buckets: buckets, relative_attention_max_distance: furthest } = config;
  if (furthest > Math.floor(buckets / 2)) return { buckets, furthest };
  throw configError(
    checkpoint,
    `relative_attention_max_distance ${furthest} is not above half of relative_attention_num_buckets ${buckets}.`,
  );
}

/** `dense_act_fn` and `is_gated_act` follow from `feed_forward_proj` unless they are said. */
function feedForwardOf(checkpoint: Checkpoint, config: Config): Pick<T5, 'activation' | 'isGated'> {
  const { feed_forward_proj: said, dense_act_fn: own, is_gated_act: gated } = config;
  const [, isGated, name] = /^(gated-)?([a-z_]+)$/.exec(said) ?? [];
  const usual = said === 'gated-gelu' ? 'gelu_new' : name;
  const activation = activationNames.find((one): one is Activation => one === (own ?? usual));
  if (activation === undefined) {
    throw configError(
      checkpoint,
      `feed_forward_proj "${said}" is not supported: it is an activation, or one behind "gated-". Known are ${activationNames.join(', ')}.`,
    );
  }
  return { activation, isGated: gated ?? isGated !== undefined };
}
