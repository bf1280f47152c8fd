import { collate } from '../../engine/batching.js';
import { batchFeeds } from '../../engine/modelGraph.js';
import { openProgram } from '../../engine/program.js';
import { ops, type Tensor } from '../../graph/index.js';
import { gridOf } from '../grid.js';
import { jointRun } from '../jointRun.js';
import type { SelectionMethod } from '../method.js';
import {
  allowanceSettings,
  jointRunReads,
  measureSettings,
  sharingSettings,
  stepTimeSettings,
  trainingSettings,
} from '../settings.js';

/** Examples over which outputs are measured. */
const sampleSize = 64;

/**
 * LoRA-drop (arXiv 2402.07721, section 3.2): after a short run of LoRA on all modules, a module's importance is the
 * squared norm of what its adapter adds, ‖ΔW x‖², summed over a sample of the data. The rest share one pair for each
 * column (section 3.3). The paper takes modules until their importance reaches a share of the whole; here the
 * allowance says how many.
 */
export const outputNorm = {
  title: 'output norm (LoRA-drop)',
  graphs: 1,
  source: 'arXiv 2402.07721',
  settings: { ...allowanceSettings, ...measureSettings, ...stepTimeSettings, ...sharingSettings, ...trainingSettings },
  reads: ['targets', ...jointRunReads],
  share: 'column',
  async select(context) {
    const { model, halves, settings, signal } = context;
    const { plan, parameters } = await jointRun(context);
    const norms = new Map<string, Tensor>();
    const program = await openProgram(model, {
      plan,
      parameters,
      threads: settings.threads,
      observe: ({ path }, update) =>
        norms.set(path, ops.sum(ops.mul(update, update), { axes: [0, 1], keepDims: false })),
      outputs({ logits }) {
        logits();
        return Object.fromEntries(norms);
      },
    });
    const sample = halves.train.slice(0, sampleSize);
    const sums = new Float64Array(model.adaptable.length);
    const { rank, size } = context.shared?.ranks ?? { rank: 0, size: 1 };
    const phase = context.phase('outputs', sample.length);
    try {
      // One example at a time: padding has outputs too, and must not count.
      for (const [i, example] of sample.entries()) {
        signal?.throwIfAborted();
        if (i % size !== rank) continue;
        const found = await program.run(batchFeeds(collate([example], model.padTokenId), false));
        for (const [m, { path }] of model.adaptable.entries()) sums[m]! += found[path]!.data[0]!;
        phase.update(i + 1, { examples: i + 1 });
      }
    } finally {
      await program.release();
      phase.end();
    }
    await context.shared?.ranks.sum([sums]);
    return { values: gridOf(model).matrix(sums), trained: parameters };
  },
} satisfies SelectionMethod;
