import type { AdapterPlan } from '../adapters/plan.js';
import type { EncodedExample } from '../engine/batch.js';
import { collate, evaluationBatches, tokensOf } from '../engine/batching.js';
import { batchFeeds } from '../engine/modelGraph.js';
import type { Parameter } from '../engine/parameters.js';
import { openProgram } from '../engine/program.js';
import { input } from '../graph/index.js';
import type { OpenedModel } from '../models/loading/withHead.js';
import { type PredictOptions, refuseNotFiniteOutput } from './predictLogits.js';

/** A token that may stand at a place. */
export interface Candidate {
  readonly id: number;
  /** Its probability. */
  readonly score: number;
}

/** As many as transformers' pipeline gives. */
const shown = 5;

/** A model of masked tokens with adapters, compiled to fill masks. */
export interface MaskFiller {
  /** For each example, in order, and each of its places with the mask's id: the likeliest tokens, most likely first. */
  each(
    examples: readonly EncodedExample[],
    maskTokenId: number,
    options: Omit<PredictOptions, 'threads' | 'ranks'>,
  ): Promise<Candidate[][][]>;
  release(): Promise<void>;
}

/** Compiles a model of masked tokens: logits are computed at the masks alone. */
export async function openMaskFiller(
  {
    opened: { model },
    plan,
    parameters,
  }: { readonly opened: OpenedModel; readonly plan: AdapterPlan; readonly parameters: readonly Parameter[] },
  { threads }: Pick<PredictOptions, 'threads'>,
): Promise<MaskFiller> {
  const program = await (model.file?.logits({ threads }) ??
    openProgram(model, {
      plan,
      parameters,
      threads,
      outputs: ({ logits }) => ({ logits: logits(input('rows', 'int64', ['rows'])) }),
    }));
  return {
    async each(examples, maskTokenId, { batchSize = 8, signal, onBatch }) {
      const found = new Map<EncodedExample, Candidate[][]>();
      let tokens = 0;
      for (const batch of evaluationBatches(examples, { batchSize })) {
        signal?.throwIfAborted();
        const collated = collate(batch, model.padTokenId);
        const places = batch.map(({ inputIds }) =>
          [...inputIds.keys()].filter((position) => inputIds[position] === maskTokenId),
        );
        const rows = places.flatMap((positions, row) => positions.map((at) => row * collated.sequenceLength + at));
        const feeds = {
          ...batchFeeds(collated, false),
          rows: { data: BigInt64Array.from(rows, BigInt), shape: [rows.length] },
        };
        const { data } = rows.length === 0 ? { data: new Float32Array() } : (await program.run(feeds)).logits;
        let row = 0;
        for (const [i, example] of batch.entries()) {
          const candidates = places[i]!.map(() => {
            const logits = data.subarray(row * model.vocabSize, (row + 1) * model.vocabSize);
            row++;
            refuseNotFiniteOutput(logits, example.index);
            return likeliest(logits);
          });
          found.set(example, candidates);
        }
        tokens += tokensOf(batch);
        onBatch?.(found.size, tokens);
      }
      return examples.map((example) => found.get(example)!);
    },
    release: () => program.release(),
  };
}

/** The likeliest tokens by a softmax over the vocabulary; of equals the lower id first. */
function likeliest(logits: Float32Array): Candidate[] {
  let highest = Number.NEGATIVE_INFINITY;
  for (const logit of logits) highest = Math.max(highest, logit);
  let total = 0;
  for (const logit of logits) total += Math.exp(logit - highest);
  const best: number[] = [];
  for (const [id, logit] of logits.entries()) {
    if (best.length === shown && logit <= logits[best.at(-1)!]!) continue;
    const at = best.findIndex((one) => logits[one]! < logit);
    best.splice(at < 0 ? best.length : at, 0, id);
    best.length = Math.min(best.length, shown);
  }
  return best.map((id) => ({ id, score: Math.exp(logits[id]! - highest) / total }));
}
