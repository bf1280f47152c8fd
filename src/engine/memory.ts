import { foldedNodes, peakOfResults, type Sizes, tensorBytes } from '../graph/liveness.js';
import { optimize } from '../graph/passes/index.js';
import { nodeOf, nodesInOrder, type Tensor } from '../graph/tensor.js';
import type { Model } from '../models/model.js';
import { enteringState } from './frozenPrefix.js';
import { type GradientStepOptions, type GraphOptions, gradientGraph } from './gradientStep.js';
import type { AdaptedGraphOptions } from './modelGraph.js';
import { textSizes } from './objective.js';

/** Node.js, ONNX Runtime, this program, its garbage and the operators' own arrays: measured, see docs/results.md. */
const runtimeBytes = 150 * 2 ** 20;
/** What ONNX Runtime's arena takes over the tensors in it, because blocks do not fit: measured too. */
const arenaFactor = 1.1;

/** Where the memory of a training step goes, in bytes. */
export interface StepMemory {
  readonly runtime: number;
  /** Frozen weights that a step reads, as it reads them; of embeddings, the rows of a batch. */
  readonly weights: number;
  /** Parameters; gradients and AdamW's two moments of the trained ones; masks of dropout. */
  readonly parameters: number;
  /** Results of operators when they take most. */
  readonly activations: number;
  readonly total: number;
  /** Whether masks of dropout are drawn. */
  readonly hasDropout: boolean;
}

/**
 * Estimates the peak memory of a process that trains with this step, from its graph; nothing is compiled or run.
 * Batches are of the size of `largestBatch`.
 */
export function estimateStepMemory(
  model: Model,
  options: GraphOptions &
    Pick<GradientStepOptions, 'largestBatch'> & {
      readonly largestBatch: { readonly examples?: number | undefined };
      /** Labelled tokens of a batch of language modelling; default: all. */
      readonly rows?: number | undefined;
    },
): StepMemory {
  const { outputs, sites } = gradientGraph(model, options);
  const { batch, seq, target = 0 } = options.largestBatch;
  sites?.reserve(options.largestBatch);
  const masks = sites?.feeds(0) ?? {};
  const sizes: Sizes = {
    batch,
    seq,
    target,
    // No more than all; what is padding is not known.
    tokens: batch * seq,
    rows: options.rows ?? batch * (target === 0 ? seq : target),
    ...textSizes(batch, options.largestBatch.examples ?? batch),
    dropout_sites: masks.dropout_offsets?.data.length ?? 0,
  };
  const graph = optimize(Object.values(outputs));
  const trained = options.wrt.reduce((sum, { values }) => sum + values.byteLength, 0);
  const given = [...options.parameters.map(({ values }) => values), ...Object.values(masks).map(({ data }) => data)];
  const parameters = given.reduce((sum, { byteLength }) => sum + byteLength, 3 * trained);
  const weights = weightsRead(graph, sizes);
  const activations = arenaFactor * peakOfResults(graph, sizes);
  const total = runtimeBytes + weights + parameters + activations;
  const hasDropout = sites !== undefined && sites.count > 0;
  return { runtime: runtimeBytes, weights, parameters, activations, total, hasDropout };
}

/** Bytes of what computes, for one example of `seq` tokens, what enters a layer: weights and results of operators. */
export function estimatePrefixMemory(
  model: Model,
  {
    layer,
    seq,
    ...options
  }: Pick<AdaptedGraphOptions, 'plan' | 'parameters'> & { readonly layer: number; readonly seq: number },
): number {
  const graph = optimize([enteringState(model, options, layer)]);
  const sizes: Sizes = { batch: 1, seq };
  return weightsRead(graph, sizes) + arenaFactor * peakOfResults(graph, sizes);
}

/** Bytes of weights, folded or widened when the session opens, that nodes read. */
function weightsRead(graph: readonly Tensor[], sizes: Sizes): number {
  const order = nodesInOrder(graph);
  const folded = foldedNodes(order);
  const read = new Map<Tensor, number>();
  for (const node of order) {
    if (folded.has(node)) continue;
    for (const [i, tensor] of node.inputs.entries()) {
      const producer = nodeOf(tensor);
      if (tensor.origin.kind !== 'stored' && (producer === undefined || !folded.has(producer))) continue;
      const whole = tensorBytes(tensor, sizes);
      const isTable = node.primitive === 'gather' && i === 0;
      const bytes = isTable && producer === undefined ? Math.min(whole, tensorBytes(node.outputs[0]!, sizes)) : whole;
      read.set(tensor, Math.max(read.get(tensor) ?? 0, bytes));
    }
  }
  return [...read.values()].reduce((sum, bytes) => sum + bytes, 0);
}

/** Bytes, as messages say them. */
export function gigabytes(bytes: number): string {
  return `${(bytes / 1e9).toPrecision(3)} GB`;
}
