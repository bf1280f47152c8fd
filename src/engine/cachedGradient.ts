import { grad, input, ops, type Tensor } from '../graph/index.js';
import type { Model } from '../models/model.js';
import { host, zerosLike } from '../runtime/deviceTensor.js';
import { openOn } from '../runtime/openOn.js';
import { openTogether, releaseAll } from '../runtime/release.js';

import type { Shared } from './accumulate.js';
import type { Batch, EncodedExample } from './batch.js';
import { collateTexts } from './batching.js';
import { type GradientStep, type GradientStepOptions, gradientName, namedGradients, stepOf } from './gradientStep.js';
import { batchFeeds } from './modelGraph.js';
import { openProgram } from './program.js';

export interface CachedGradientOptions extends GradientStepOptions {
  /** Rows that run at a time. */
  readonly rows: number;
  /** Ranks that take the turns of a batch in turns. */
  readonly shared?: Shared | undefined;
}

/**
 * The step of {@link openGradientStep} for a loss in which all rows of a batch stand, in the memory of a few (GradCache, arXiv
 * 2101.06983; sentence-transformers' CachedMultipleNegativesRankingLoss): outputs of rows in turns, the slope of the loss by
 * the outputs, and then each turn again, carried back along its part of that slope, with the masks of dropout that it had.
 * Rows of like length run together. A row is one output: models of sequences and of vectors.
 */
export async function openCachedGradient(model: Model, options: CachedGradientOptions): Promise<GradientStep> {
  const { wrt, threads, prefix, plan, objective, rows: rowsAtATime, largestBatch, shared } = options;
  const isOwn = (turn: number) => shared === undefined || turn % shared.ranks.size === shared.ranks.rank;
  const width = model.numLabels;
  const [forward, backward] = [stepOf(options), stepOf(options)];
  const turn = { ...largestBatch, batch: rowsAtATime };
  const { states, outputs, slopes, loss } = await openTogether(async (keep) => ({
    states: prefix && (await keep(prefix.open())),
    outputs: await keep(
      openProgram(model, {
        ...forward.graph,
        threads,
        outputs({ logits }) {
          const built = { outputs: logits() };
          forward.sites?.reserve(turn);
          return built;
        },
      }),
    ),
    slopes: await keep(
      openProgram(model, {
        ...backward.graph,
        threads,
        outputs({ inputs, logits }) {
          const along = ops.mul(logits(), input('direction', 'float32', ['batch', width]));
          const sum = ops.sum(along, { axes: [0, 1], keepDims: false });
          const penalty = plan.penalty?.(inputs);
          const share = input('penalty_share', 'float32', []);
          const whole = penalty === undefined ? sum : ops.add(sum, ops.mul(penalty, share));
          const built: Record<string, Tensor> = { ...namedGradients(whole, wrt, inputs) };
          if (penalty !== undefined) built.penalty = penalty;
          backward.sites?.reserve(turn);
          return built;
        },
      }),
    ),
    loss: await keep(openLoss()),
  }));

  /** The loss of outputs [batch, width], and its slope by them. */
  function openLoss() {
    const x = input('outputs', 'float32', ['batch', width]);
    const value = objective.loss(x);
    return openOn(model.checkpoint.machine.device, { loss: value, slope: grad(value, [x])[0]! }, { threads });
  }

  const partial = wrt.map(({ tensor }) => zerosLike(tensor));
  const into = Object.fromEntries(wrt.map((one, i) => [gradientName(one), partial[i]!]));
  const gradients = partial.map((one) => new Float32Array(one.host().length));
  return {
    gradients,
    async run(batch, step, values) {
      const turns = turnsOf(batch, rowsAtATime);
      const feedsOf = async ({ texts }: Turn, i: number, sites: typeof forward.sites) => {
        const part = collateTexts(texts, model.padTokenId);
        return { ...values, ...batchFeeds(part, false), ...sites?.feeds(step + i), ...(await states?.feeds(part)) };
      };
      const all = new Float32Array(batch.batchSize * width);
      for (const [i, each] of turns.entries()) {
        if (!isOwn(i)) continue;
        const found = (await outputs.run(await feedsOf(each, i, forward.sites))).outputs.data;
        for (const [k, row] of each.rows.entries()) all.set(found.subarray(k * width, (k + 1) * width), row * width);
      }
      await shared?.ranks.sum([all]);
      const { data, shape } = batch.labels!;
      const found = await loss.run({
        outputs: { data: all, shape: [batch.batchSize, width] },
        labels: { data, shape },
      });
      const slope = found.slope!.data as Float32Array;
      let mean = Number(found.loss!.data[0]);
      for (const one of gradients) one.fill(0);
      for (const [i, each] of turns.entries()) {
        if (!isOwn(i)) continue;
        const direction = host.zeros([each.rows.length, width]);
        for (const [k, row] of each.rows.entries()) {
          direction.data.set(slope.subarray(row * width, (row + 1) * width), k * width);
        }
        const penalty_share = { data: Float32Array.of(i === 0 ? 1 : 0), shape: [] };
        const given = { ...(await feedsOf(each, i, backward.sites)), direction, penalty_share };
        const made = await slopes.run(given, into);
        if (i === 0 && plan.penalty !== undefined) mean += made.penalty!.data[0]!;
        for (const [k, sum] of gradients.entries()) {
          const added = partial[k]!.host();
          for (let j = 0; j < sum.length; j++) sum[j]! += added[j]!;
        }
      }
      if (shared !== undefined) {
        await shared.ranks.sum(gradients, { as: shared.reduce });
        // The penalty stands in the first turn, and the loss of the outputs is the same on all.
        mean = (await shared.ranks.numbers(mean))[0]![0]!;
      }
      return mean;
    },
    release: () => releaseAll([...(states === undefined ? [] : [states]), outputs, slopes, loss]),
  };
}

/** Rows that run together: where they stand in the batch, and their texts. */
interface Turn {
  readonly rows: readonly number[];
  readonly texts: readonly EncodedExample[];
}

/** The rows of a batch by length, so many at a time. */
function turnsOf({ rows }: Batch, size: number): Turn[] {
  if (rows === undefined) throw new Error('rows run in turns, and this batch does not name its own');
  const order = [...rows.keys()].sort((a, b) => rows[a]!.inputIds.length - rows[b]!.inputIds.length);
  return Array.from({ length: Math.ceil(order.length / size) }, (_, i) => {
    const own = order.slice(i * size, (i + 1) * size);
    return { rows: own, texts: own.map((row) => rows[row]!) };
  });
}
