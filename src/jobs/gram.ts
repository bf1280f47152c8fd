import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { readRunFile } from '../artifacts/runFile.js';
import { splitHalves, subsample } from '../data/stratify.js';
import { textsOf } from '../engine/batching.js';
import { headParameters } from '../engine/parameters.js';
import { usageError } from '../errors.js';
import { permutation, randomStream } from '../random.js';
import type { ProgressOptions } from '../reporter.js';
import { silent } from '../reporter.js';
import type { Dam } from '../selection/dam.js';
import { type GramReport, gramMatrices, gramReport } from '../selection/gram.js';
import { gridOf } from '../selection/grid.js';
import { parseTrainConfig, refuseIdlePlaces, usualThreads } from '../settings/config.js';
import { readDamFor } from './selectModules.js';
import { openWorkspace } from './workspace.js';

export interface GramOptions extends ProgressOptions {
  /** A run folder with dam.json and run.json. */
  readonly run: string;
  /** Where the data of the run lie now. */
  readonly dataDir?: string | undefined;
  /** Examples of the training half; default 64. */
  readonly examples?: number;
  /** Random matrices to compare with; default 20. */
  readonly draws?: number;
  /** Default: all that the machine has. */
  readonly threads?: number | undefined;
}

/** The Gram matrix of the chosen modules beside those of other choices (DESIGN 2.3). */
export interface GramInspection {
  readonly examples: number;
  readonly chosen: GramReport;
  /** Matrices that keep as many modules, drawn at random: mean of each figure over the draws. */
  readonly random: GramReport & { readonly draws: number; readonly betterThanChosen: number };
  readonly all: GramReport;
}

/**
 * `diffora inspect --gram`: λ_min, condition and yᵀH⁻¹y/n of the Gram matrix of per-example gradients, before training,
 * for the matrix of a run, for random ones that keep as many, and for all modules.
 * @throws DiffoError when the folder has no matrix
 */
export async function inspectGram({
  run,
  dataDir,
  examples = 64,
  draws = 20,
  threads = usualThreads,
  reporter = silent,
  signal,
}: GramOptions): Promise<GramInspection> {
  const file = join(run, 'dam.json');
  if (!existsSync(file)) {
    throw usageError(`${run} has no dam.json: --gram takes a run whose modules were chosen (train --select, select).`);
  }
  const { config: stored } = await readRunFile(run);
  if (dataDir !== undefined && typeof stored.task === 'string') refuseIdlePlaces({ dataDir }, stored.task);
  const given = { ...stored, dam: undefined, threads, ...(dataDir === undefined ? {} : { dataDir }) };
  const config = parseTrainConfig(given, join(run, 'run.json'), { idle: 'drop' });
  const { seed } = config.run;
  const { rank, alpha } = config.method;
  const { opened, train } = await openWorkspace(config, reporter, signal);
  const { model } = opened;
  if (train.encoded.some(({ label }) => label === undefined)) {
    throw usageError(`${run}: --gram weighs classes or scores; its task has neither.`);
  }
  const dam = await readDamFor(model, file);
  // The half that the weights of a search learn on: not what the matrix was judged by.
  const sample = textsOf(subsample(splitHalves(train.encoded, seed).first, examples, seed)).slice(0, examples);
  const phase = reporter.phase('Gram matrices', sample.length);
  const matrices = await gramMatrices(model, await headParameters(model, seed), sample, {
    rank,
    alpha,
    seed,
    threads,
    signal,
    onExample: (done) => phase.update(done, { examples: done }),
  });
  phase.end();
  const grid = gridOf(model);
  const reportOf = (gamma: readonly (readonly number[])[]) =>
    gramReport(matrices, (m) => grid.at(gamma, model.adaptable[m]!) === 1);
  const chosen = reportOf(dam.gamma);
  const others = Array.from({ length: draws }, (_, draw) => reportOf(shuffled(dam, seed, draw)));
  const mean = (of: (report: GramReport) => number) => others.reduce((sum, one) => sum + of(one), 0) / draws;
  return {
    examples: sample.length,
    chosen,
    random: {
      draws,
      smallestEigenvalue: mean((one) => one.smallestEigenvalue),
      condition: mean((one) => one.condition),
      complexity: mean((one) => one.complexity),
      betterThanChosen: others.filter((one) => one.smallestEigenvalue > chosen.smallestEigenvalue).length,
    },
    all: reportOf(dam.gamma.map((row) => row.map(() => 1))),
  };
}

/** As many entries kept, elsewhere: within each row, over the whole matrix, or other columns or rows, as the scope says. */
function shuffled({ gamma, scope }: Pick<Dam, 'gamma' | 'scope'>, seed: number, draw: number): number[][] {
  const stream = randomStream(seed, 'gram', draw);
  const columns = gamma[0]!.length;
  if (scope === 'row') {
    return gamma.map((row) => Array.from(permutation(columns, stream), (from) => row[from]!));
  }
  if (scope === 'column') {
    const order = Array.from(permutation(columns, stream));
    return gamma.map((row) => order.map((from) => row[from]!));
  }
  if (scope === 'layer') return Array.from(permutation(gamma.length, stream), (from) => [...gamma[from]!]);
  const flat = gamma.flat();
  const order = permutation(flat.length, stream);
  return gamma.map((row, layer) => row.map((_, column) => flat[order[layer * columns + column]!]!));
}
