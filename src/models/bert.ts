import * as z from 'zod';
import type { Checkpoint, StoredTensor } from '../checkpoint/types.js';
import { DiffoError } from '../errors.js';
import { constant, type Dim, multiplyDims, ops, type Tensor } from '../graph/index.js';
import type { AdaptableModule, BatchInputs, BuildHooks, Family, HeadTensor, Model, ModelOptions } from './model.js';
import { type ExpectedTensor, matchTensors } from './weights.js';

const activations = { gelu: ops.gelu, gelu_new: ops.geluTanh, gelu_pytorch_tanh: ops.geluTanh, relu: ops.relu };

const configSchema = z.object({
  vocab_size: z.int().positive(),
  hidden_size: z.int().positive(),
  num_hidden_layers: z.int().positive(),
  num_attention_heads: z.int().positive(),
  intermediate_size: z.int().positive(),
  max_position_embeddings: z.int().positive(),
  type_vocab_size: z.int().positive(),
  hidden_act: z.enum(['gelu', 'gelu_new', 'gelu_pytorch_tanh', 'relu']).default('gelu'),
  layer_norm_eps: z.number().positive().default(1e-12),
  hidden_dropout_prob: z.number().min(0).lt(1).default(0.1),
  attention_probs_dropout_prob: z.number().min(0).lt(1).default(0.1),
  classifier_dropout: z.number().min(0).lt(1).nullish(),
  initializer_range: z.number().nonnegative().default(0.02),
  pad_token_id: z.int().nonnegative().nullish(),
  position_embedding_type: z.literal('absolute').default('absolute'),
});
type BertConfig = z.infer<typeof configSchema>;

/** Most negative float32: what transformers adds to the scores of padding. */
const masked = -3.4028234663852886e38;

/** BERT (arXiv 1810.04805) and MiniLM, with the head of transformers' BertForSequenceClassification. */
export const bert: Family = { name: 'BERT', modelTypes: ['bert'], open };

function open(checkpoint: Checkpoint, { numLabels, head: part = 'classifier' }: ModelOptions): Model {
  const config = parseConfig(checkpoint);
  const linears = adaptableModules(config);
  const trainsPooler = part === 'all' || find(checkpoint, pooler(config)[0]!.name) === undefined;
  const expected = [...backboneTensors(config, linears), ...(trainsPooler ? [] : pooler(config))];
  const backbone = matchTensors(checkpoint, expected, spellings);
  const head = headTensors(checkpoint, config, numLabels, trainsPooler);
  const used = new Set([
    ...backbone.values(),
    ...head.flatMap(({ stored }) => (stored === undefined ? [] : [stored.name])),
  ]);
  return {
    family: bert.name,
    checkpoint,
    numLabels,
    layers: config.num_hidden_layers,
    modules: linears.slice(0, linears.length / config.num_hidden_layers).map((one) => one.module),
    adaptable: linears,
    head,
    headModules: trainsPooler ? ['classifier', 'bert.pooler'] : ['classifier'],
    maxLength: config.max_position_embeddings,
    padTokenId: config.pad_token_id ?? 0,
    backboneParameters: expected.reduce((total, { shape }) => total + shape.reduce((a, b) => a * b, 1), 0),
    backbone,
    unused: [...checkpoint.tensors.keys()].filter((name) => !used.has(name) && !name.endsWith('.position_ids')),
    architecture: 'BertForSequenceClassification',
    logits: (inputs, hooks) => classifier(encode(inputs, config, hooks), config, numLabels, hooks),
  };
}

function parseConfig(checkpoint: Checkpoint): BertConfig {
  const parsed = configSchema.safeParse(checkpoint.config);
  if (!parsed.success) {
    const issue = parsed.error.issues[0]!;
    throw new DiffoError(`${checkpoint.folder}/config.json: ${issue.path.join('.')}: ${issue.message}.`);
  }
  const { hidden_size, num_attention_heads } = parsed.data;
  if (hidden_size % num_attention_heads !== 0) {
    throw new DiffoError(
      `${checkpoint.folder}/config.json: hidden_size ${hidden_size} is no multiple of num_attention_heads ${num_attention_heads}.`,
    );
  }
  return parsed.data;
}

/** Files of a bare BertModel have no `bert.` prefix; old ones call the norm's tensors gamma and beta. */
function spellings(name: string): string[] {
  const old = name.replace('LayerNorm.weight', 'LayerNorm.gamma').replace('LayerNorm.bias', 'LayerNorm.beta');
  const bare = (spelling: string) => spelling.replace(/^bert\./, '');
  return [...new Set([name, bare(name), old, bare(old)])];
}

function adaptableModules(config: BertConfig): AdaptableModule[] {
  const { hidden_size: hidden, intermediate_size: intermediate } = config;
  const shapes: readonly [string, number, number][] = [
    ['attention.self.query', hidden, hidden],
    ['attention.self.key', hidden, hidden],
    ['attention.self.value', hidden, hidden],
    ['attention.output.dense', hidden, hidden],
    ['intermediate.dense', hidden, intermediate],
    ['output.dense', intermediate, hidden],
  ];
  return Array.from({ length: config.num_hidden_layers }, (_, layer) =>
    shapes.map(([module, inFeatures, outFeatures]) => {
      return { path: `bert.encoder.layer.${layer}.${module}`, layer, module, inFeatures, outFeatures };
    }),
  ).flat();
}

function backboneTensors(config: BertConfig, linears: readonly AdaptableModule[]): ExpectedTensor[] {
  const hidden = config.hidden_size;
  const norm = (path: string) => [
    { name: `${path}.weight`, shape: [hidden] },
    { name: `${path}.bias`, shape: [hidden] },
  ];
  return [
    { name: 'bert.embeddings.word_embeddings.weight', shape: [config.vocab_size, hidden] },
    { name: 'bert.embeddings.position_embeddings.weight', shape: [config.max_position_embeddings, hidden] },
    { name: 'bert.embeddings.token_type_embeddings.weight', shape: [config.type_vocab_size, hidden] },
    ...norm('bert.embeddings.LayerNorm'),
    ...linears.flatMap(({ path, inFeatures, outFeatures }) => [
      { name: `${path}.weight`, shape: [outFeatures, inFeatures] },
      { name: `${path}.bias`, shape: [outFeatures] },
    ]),
    ...Array.from({ length: config.num_hidden_layers }, (_, layer) => [
      ...norm(`bert.encoder.layer.${layer}.attention.output.LayerNorm`),
      ...norm(`bert.encoder.layer.${layer}.output.LayerNorm`),
    ]).flat(),
  ];
}

function pooler(config: BertConfig): ExpectedTensor[] {
  const hidden = config.hidden_size;
  return [
    { name: 'bert.pooler.dense.weight', shape: [hidden, hidden] },
    { name: 'bert.pooler.dense.bias', shape: [hidden] },
  ];
}

/** The classifier, and the pooler where it is trained: from the checkpoint's values, if it has them. */
function headTensors(
  checkpoint: Checkpoint,
  config: BertConfig,
  numLabels: number,
  trainsPooler: boolean,
): HeadTensor[] {
  const classifier: ExpectedTensor[] = [
    { name: 'classifier.weight', shape: [numLabels, config.hidden_size] },
    { name: 'classifier.bias', shape: [numLabels] },
  ];
  return [...classifier, ...(trainsPooler ? pooler(config) : [])].map(({ name, shape }) => {
    const deviation = shape.length > 1 ? config.initializer_range : 0;
    const tensor = find(checkpoint, name);
    return { name, shape, deviation, stored: `${tensor?.shape}` === `${shape}` ? tensor : undefined };
  });
}

/** The file's tensor of that name, under whichever spelling. */
function find(checkpoint: Checkpoint, name: string): StoredTensor | undefined {
  return spellings(name)
    .map((spelling) => checkpoint.tensors.get(spelling))
    .find((tensor) => tensor !== undefined);
}

/** Hidden state of the first token of each sequence after the last layer: [batch, hidden]. */
function encode(inputs: BatchInputs, config: BertConfig, hooks: BuildHooks): Tensor {
  const [batch, seq] = inputs.inputIds.shape as [Dim, Dim];
  const hidden = config.hidden_size;
  const embedding = (name: string) => hooks.weight(`bert.embeddings.${name}_embeddings.weight`);
  const words = ops.gather(embedding('word'), inputs.inputIds);
  const positions = ops.slice(embedding('position'), { axis: 0, start: 0, length: seq });
  const types = ops.gather(embedding('token_type'), inputs.tokenTypeIds);
  const embedded = ops.add(ops.add(words, types), positions);
  const tokens = ops.reshape(embedded, [multiplyDims([batch, seq]), hidden]);
  let state = hooks.dropout(norm('bert.embeddings.LayerNorm', tokens, config, hooks), config.hidden_dropout_prob);

  const padding = ops.sub(constant(1), ops.cast(inputs.attentionMask, 'float32'));
  const maskBias = ops.reshape(ops.scale(padding, masked), [batch, 1, 1, seq]);
  for (let layer = 0; layer < config.num_hidden_layers; layer++) {
    // Only the first token of the last layer is read, so the others stop at its keys and values.
    const last = layer === config.num_hidden_layers - 1;
    const queries = last ? firstTokens(state, batch, seq, hidden) : state;
    state = encoderLayer(`bert.encoder.layer.${layer}`, { state, queries, batch, seq, maskBias }, config, hooks);
  }
  return state;
}

interface LayerInputs {
  /** [batch*seq, hidden] */
  readonly state: Tensor;
  /** Rows whose output is wanted: all of state, or the first token of each sequence [batch, hidden]. */
  readonly queries: Tensor;
  readonly batch: Dim;
  readonly seq: Dim;
  /** [batch, 1, 1, seq] */
  readonly maskBias: Tensor;
}

function encoderLayer(path: string, inputs: LayerInputs, config: BertConfig, hooks: BuildHooks): Tensor {
  const { state, queries, batch, seq, maskBias } = inputs;
  const heads = config.num_attention_heads;
  const headSize = config.hidden_size / heads;
  const querySeq = queries === state ? seq : 1;
  const split = (x: Tensor, length: Dim) =>
    ops.transpose(ops.reshape(x, [batch, length, heads, headSize]), [0, 2, 1, 3]);
  const query = split(linear(`${path}.attention.self.query`, queries, hooks), querySeq);
  const key = split(linear(`${path}.attention.self.key`, state, hooks), seq);
  const value = split(linear(`${path}.attention.self.value`, state, hooks), seq);

  const scores = ops.matmul(query, key, { transB: true, alpha: 1 / Math.sqrt(headSize) });
  const attention = ops.softmax(ops.add(scores, maskBias));
  const mixed = ops.matmul(hooks.dropout(attention, config.attention_probs_dropout_prob), value);
  const context = ops.reshape(ops.transpose(mixed, [0, 2, 1, 3]), queries.shape);

  const rate = config.hidden_dropout_prob;
  const attended = hooks.dropout(linear(`${path}.attention.output.dense`, context, hooks), rate);
  const middle = norm(`${path}.attention.output.LayerNorm`, ops.add(attended, queries), config, hooks);
  const activated = activations[config.hidden_act](linear(`${path}.intermediate.dense`, middle, hooks));
  const output = hooks.dropout(linear(`${path}.output.dense`, activated, hooks), rate);
  return norm(`${path}.output.LayerNorm`, ops.add(output, middle), config, hooks);
}

/** Pooler, dropout, linear: [batch, hidden] → [batch, labels]. */
function classifier(first: Tensor, config: BertConfig, numLabels: number, hooks: BuildHooks): Tensor {
  const pooled = ops.tanh(linear('bert.pooler.dense', first, hooks));
  const rate = config.classifier_dropout ?? config.hidden_dropout_prob;
  const logits = linear('classifier', hooks.dropout(pooled, rate), hooks);
  if (logits.shape[1] !== numLabels) throw new Error('the classifier does not give one logit for each label');
  return logits;
}

function firstTokens(state: Tensor, batch: Dim, seq: Dim, hidden: number): Tensor {
  const sequences = ops.reshape(state, [batch, seq, hidden]);
  return ops.reshape(ops.slice(sequences, { axis: 1, start: 0, length: 1 }), [batch, hidden]);
}

/** x Wᵀ + b and what the adapter adds. */
function linear(path: string, x: Tensor, hooks: BuildHooks): Tensor {
  const product = ops.matmul(x, hooks.weight(`${path}.weight`), { transB: true });
  return hooks.adapt(path, x, ops.add(product, hooks.weight(`${path}.bias`)));
}

function norm(path: string, x: Tensor, config: BertConfig, hooks: BuildHooks): Tensor {
  const [scale, bias] = [hooks.weight(`${path}.weight`), hooks.weight(`${path}.bias`)];
  return ops.layerNorm(x, scale, bias, config.layer_norm_eps)[0]!;
}
