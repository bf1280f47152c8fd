import { baseWeight } from '../../adapters/baseWeight.js';
import { noAdapters } from '../../adapters/plan.js';
import { collate } from '../../engine/batching.js';
import { batchFeeds } from '../../engine/modelGraph.js';
import { headParameters } from '../../engine/parameters.js';
import { openProgram } from '../../engine/program.js';
import { ops, type Tensor } from '../../graph/index.js';
import { gridOf } from '../grid.js';
import type { SelectionMethod } from '../method.js';
import { allowanceSettings, sharingSettings } from '../settings.js';

/** Examples over which features are measured. */
const sampleSize = 64;

/**
 * PLoP (arXiv 2506.20629): adapters go to the types of modules, here the columns, whose inputs the pretrained weights
 * answer to least. The normalised feature norm of a module is ‖W x‖ / ‖W z‖, z a Gaussian vector as long as x. For ‖W z‖ the
 * root of its mean square over z stands here, ‖x‖ ‖W‖_F / √in, so that nothing is drawn:
 *
 *     NFN = mean over tokens of √in ‖W x‖ / (‖x‖ ‖W‖_F)
 *
 * and 1 where x is to W as noise is. A type's is the mean over its layers; the lowest come first, so the value of a
 * module is minus that of its type. The definition and the order are those of public descriptions of the paper and of
 * code that follows it: the paper itself was not at hand. Tokens are those for which the graph computes a module: in the
 * last layer of an encoder that classifies whole sequences, the first alone, but for keys and values.
 */
export const plop = {
  title: 'PLoP',
  graphs: 0,
  source: 'arXiv 2506.20629',
  settings: { ...allowanceSettings, ...sharingSettings },
  reads: ['targets'],
  async select(context) {
    const { model, halves, settings, signal } = context;
    const features = new Map<string, { readonly x: Tensor; readonly product: Tensor }>();
    const program = await openProgram(model, {
      plan: {
        ...noAdapters,
        adapt({ path, x, product }, y) {
          // What DeBERTa projects after its tokens, with the same weights, are relative positions: no features of data.
          if (!features.has(path)) features.set(path, { x, product });
          return y;
        },
      },
      parameters: await headParameters(model, settings.seed),
      threads: settings.threads,
      outputs({ logits }) {
        logits();
        return Object.fromEntries(
          model.adaptable.flatMap(({ path }) => {
            const { x, product } = features.get(path)!;
            return [
              [inputOf(path), squares(x)],
              [outputOf(path), squares(product)],
            ];
          }),
        );
      },
    });
    const sample = halves.train.slice(0, sampleSize);
    const ratios = new Float64Array(model.adaptable.length);
    const tokens = new Float64Array(model.adaptable.length);
    const { rank, size } = context.shared?.ranks ?? { rank: 0, size: 1 };
    const phase = context.phase('features', sample.length);
    try {
      // One example at a time: padding has features too, and must not count.
      for (const [i, example] of sample.entries()) {
        signal?.throwIfAborted();
        if (i % size !== rank) continue;
        const found = await program.run(batchFeeds(collate([example], model.padTokenId), false));
        for (const [m, { path }] of model.adaptable.entries()) {
          const [before, after] = [found[inputOf(path)]!.data, found[outputOf(path)]!.data];
          for (const [token, square] of before.entries()) {
            if (square === 0) continue;
            ratios[m]! += Math.sqrt(after[token]! / square);
            tokens[m]! += 1;
          }
        }
        phase.update(i + 1, { examples: i + 1 });
      }
    } finally {
      await program.release();
      phase.end();
    }
    await context.shared?.ranks.sum([ratios, tokens]);
    const grid = gridOf(model);
    const norms: number[] = [];
    for (const [m, module] of model.adaptable.entries()) {
      const weight = await baseWeight(model, module);
      const usual = Math.sqrt(weight.reduce((sum, value) => sum + value * value, 0) / module.inFeatures);
      norms.push(ratios[m]! / tokens[m]! / usual);
    }
    const byLayer = grid.matrix(norms);
    const ofTypes = model.modules.map(
      (name, column) =>
        byLayer.reduce((sum, row) => sum + row[column]!, 0) /
        model.adaptable.filter(({ module }) => module === name).length,
    );
    return { values: byLayer.map(() => ofTypes.map((norm) => -norm)) };
  },
} satisfies SelectionMethod;

/** Squared length of each row [rows]. */
const squares = (rows: Tensor) => ops.sum(ops.mul(rows, rows), { axes: [1], keepDims: false });

const inputOf = (path: string) => `input of ${path}`;
const outputOf = (path: string) => `output of ${path}`;
