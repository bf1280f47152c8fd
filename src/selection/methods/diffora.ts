import * as z from 'zod';
import { usualBatches } from '../../engine/meanGradient.js';
import { agreement } from '../agreement.js';
import { searchOrders } from '../dam.js';
import { damOptimizers } from '../damOptimizer.js';
import { damStarts } from '../damStart.js';
import { type Allowance, discretise, keptInAll, keptPerRow, rowCounts } from '../discretise.js';
import { freshHead, type SelectionContext, type SelectionMethod } from '../method.js';
import { type Group, relaxations } from '../relax.js';
import { type SearchResult, searchDam } from '../search.js';
import {
  allowanceSettings,
  measureSettings,
  priceSettings,
  searchReads,
  sharingSettings,
  stepTimeSettings,
  trainingSettings,
} from '../settings.js';

/** Settings of the search. */
export const searchSettings = {
  ...allowanceSettings,
  ...sharingSettings,
  ...trainingSettings,
  searchSeeds: z
    .int()
    .min(1)
    .max(20)
    .default(1)
    .describe('searches with seeds one after the other; their matrices are averaged'),
  searchTeam: z
    .int()
    .min(1)
    .max(16)
    .optional()
    .describe(
      'searches that share one matrix and move it by the mean of their gradients; weights, halves and batches differ (default: 4 in the first order, 1 in the second)',
    ),
  searchOrder: z
    .enum(searchOrders)
    .default('first')
    .describe('derivative of the bi-level problem: first order, or second (exact, slower)'),
  relax: z.enum(relaxations).default('softmax').describe('how the matrix is made continuous'),
  damOptimizer: z.enum(damOptimizers).default('mirror').describe('how the logits of the matrix are moved'),
  damInit: z.enum(damStarts).default('gradient-norm').describe('where the logits start'),
  damLr: z.number().positive().default(0.03).describe('learning rate of the matrix'),
  searchPatience: z
    .number()
    .gt(0)
    .max(1)
    .optional()
    .describe('end a search when what it keeps has not changed over this share of its steps'),
  entropyWeight: z
    .number()
    .nonnegative()
    .default(0)
    .describe('weight of the entropy of the matrix, reached at the last step'),
};

/** DiffoRA (arXiv 2502.08905): a relaxed matrix learned on one half of the data while the adapters learn on the other. */
export const diffora = {
  title: 'DiffoRA',
  graphs: 2,
  passes: ({ searchSeeds, searchTeam, damInit, searchOrder }) => ({
    before: damInit === 'gradient-norm' ? searchSeeds * usualBatches : 0,
    // One for the weights and one for the matrix; the second order takes four more (arXiv 1806.09055, eq. 7, exact).
    perStep: searchSeeds * searchTeam * (searchOrder === 'first' ? 2 : 6),
  }),
  source: 'arXiv 2502.08905',
  settings: { ...searchSettings, ...measureSettings, ...priceSettings, ...stepTimeSettings },
  reads: ['targets', ...searchReads],
  async select(context) {
    const { settings, halves, allowance } = context;
    const { searchTeam } = settings;
    const seeds = Array.from({ length: settings.searchSeeds }, (_, i) => settings.seed + i);
    const results: (SearchResult & { trained: Awaited<ReturnType<typeof freshHead>> })[] = [];
    for (const [i, seed] of seeds.entries()) {
      const name = seeds.length === 1 ? 'search' : `search ${i + 1} of ${seeds.length}`;
      results.push(await searchOnce(i === 0 ? context : { ...context, searched: undefined }, seed, name));
    }
    const first = results[0]!;
    const values = meanOf(results.map(({ relaxed }) => relaxed));
    const gammas = results.map(({ relaxed }) => discretise(relaxed, allowance));
    const alone = results.flatMap(({ slopes = [] }) =>
      slopes.map((slope) =>
        discretise(
          slope.map((row) => row.map((one) => -one)),
          allowance,
        ),
      ),
    );
    const agreed = agreement(gammas);
    const teamAgreed = agreement(alone);
    return {
      values,
      trained: first.trained,
      search: {
        relax: settings.relax,
        logits: first.logits,
        order: settings.searchOrder,
        optimizer: settings.damOptimizer,
        start: settings.damInit,
        entropyWeight: settings.entropyWeight,
        steps: settings.steps,
        learningRate: settings.lr,
        damLearningRate: settings.damLr,
        batchSize: settings.batchSize,
        trainExamples: halves.train.length,
        validationExamples: halves.validation.length,
        seeds: seeds.map((seed, i) => {
          const stoppedAt = results[i]!.history.length;
          return { seed, gamma: gammas[i]!, ...(stoppedAt < settings.steps && { stoppedAt }) };
        }),
        ...(agreed === undefined ? {} : { agreement: agreed }),
        ...(searchTeam === 1 ? {} : { team: searchTeam, teamAgreement: teamAgreed }),
        history: [...first.history],
      },
    };
  },
} satisfies SelectionMethod;

/** Between the seeds of a team, so that teams of seeds one after the other share no member. */
const memberStride = 1000;

async function searchOnce(context: SelectionContext, seed: number, name: string) {
  const { model, objective, halves, settings, allowance, signal, warn } = context;
  // A search decays nothing: neither A and B nor the head.
  const members = await Promise.all(
    Array.from({ length: settings.searchTeam }, async (_, i) => ({
      seed: seed + memberStride * i,
      head: await freshHead(context, { seed: seed + memberStride * i }),
      halves: i === 0 ? halves : context.halvesBy(seed + memberStride * i),
    })),
  );
  const stage = context.stage?.(name);
  const phase = context.phase(name, settings.steps, stage?.found?.step);
  const result = await searchDam(model, members, {
    objective,
    relax: settings.relax,
    groups: groupsOf(model.layers, model.modules.length, allowance),
    order: settings.searchOrder,
    optimizer: settings.damOptimizer,
    start: settings.damInit,
    entropyWeight: settings.entropyWeight,
    price: context.price,
    settled:
      settings.searchPatience === undefined
        ? undefined
        : {
            patience: Math.ceil(settings.searchPatience * settings.steps),
            kept: (relaxed) => discretise(relaxed, allowance),
          },
    rank: settings.rank,
    alpha: settings.alpha,
    loraDropout: settings.loraDropout,
    steps: settings.steps,
    batchSize: settings.batchSize,
    learningRate: settings.lr,
    warmupSteps: Math.ceil(settings.warmupRatio * settings.steps),
    damLearningRate: settings.damLr,
    maxGradNorm: settings.maxGradNorm,
    maxSkippedSteps: settings.maxSkippedSteps,
    dropoutRate: settings.dropoutRate,
    gradientCheckpointing: settings.gradientCheckpointing,
    threads: settings.threads,
    shared: context.shared,
    agree: context.agree,
    signal,
    warn,
    stage,
    onStep: (record, { examples, tokens }, relaxed) => {
      const { step, validationLoss, entropy } = record;
      phase.update(step + 1, { validationLoss, entropy, examples, tokens });
      context.searched?.(record, settings.steps, () => {
        const values = relaxed();
        return { modules: model.modules, values, gamma: discretise(values, allowance) };
      });
    },
  });
  phase.end();
  return { ...result, trained: [...result.adapters, ...result.head] };
}

/** Rows of the flat matrix, or with scope `global` the whole, and how many entries of each will be kept. */
export function groupsOf(layers: number, columns: number, allowance: Allowance): Group[] {
  const { scope, keep, budget, sizes, limit, there } = allowance;
  const total = sizes.flat().reduce((sum, size) => sum + size, 0);
  const everything = sizes.map((row) => row.map((): 1 => 1));
  const fitting = limit === undefined ? 1 : limit.parameters / limit.leastOf(everything);
  const ratio = budget === undefined ? Math.min(keep, fitting) : Math.min(1, budget / total);
  const entriesOf = (layer: number) =>
    Array.from({ length: columns }, (_, column) => column)
      .filter((column) => there?.[layer]?.[column] !== false)
      .map((column) => layer * columns + column);
  const rows = Array.from({ length: layers }, (_, layer) => entriesOf(layer)).filter(({ length }) => length > 0);
  if (scope === 'global') return [{ entries: rows.flat(), kept: keptInAll(ratio, rowCounts(rows, undefined)) }];
  return rows.map((entries) => ({ entries, kept: keptPerRow(ratio, entries.length) }));
}

function meanOf(matrices: readonly (readonly (readonly number[])[])[]): number[][] {
  return matrices[0]!.map((row, layer) =>
    row.map((_, column) => matrices.reduce((sum, one) => sum + one[layer]![column]!, 0) / matrices.length),
  );
}
