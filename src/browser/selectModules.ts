import { loraPlan } from '../adapters/methods/lora.js';
import { adapterSize } from '../adapters/plan.js';
import type { EncodedExample } from '../engine/batch.js';
import type { Objective } from '../engine/objective.js';
import { DiffoError } from '../errors.js';
import type { Model } from '../models/model.js';
import type { MatrixFrame, SteppedSearch } from '../progress.js';
import { silent } from '../reporter.js';
import { type Allowance, discretise } from '../selection/discretise.js';
import { gridOf } from '../selection/grid.js';
import { halvesOf } from '../selection/halves.js';
import { diffora } from '../selection/methods/diffora.js';
import { searchSettingsOf } from '../settings/searchSettings.js';
import { turn } from '../turns.js';
import type { CheckedSettings } from './settings.js';

/** Who is told of a search while it goes on, and who stops it. */
export interface SearchCompany {
  readonly threads: number;
  readonly signal?: AbortSignal | undefined;
  readonly warn: (message: string) => void;
  readonly searched?: ((step: SteppedSearch, total: number, matrix: () => MatrixFrame) => void) | undefined;
}

/** DiffoRA's search: which modules of a model get an adapter, learned from the training examples alone. */
export async function selectModules(
  model: Model,
  examples: readonly EncodedExample[],
  objective: Objective,
  settings: CheckedSettings,
  { threads, signal, warn, searched }: SearchCompany,
): Promise<MatrixFrame> {
  const halves = halvesOf(examples, settings.seed);
  if (halves.train.length === 0 || halves.validation.length === 0) {
    throw new DiffoError(`${examples.length} training examples cannot be halved to select modules on. Give more.`);
  }
  const { rank, alpha, keep, scope, seed } = settings;
  const grid = gridOf(model);
  const sizes = model.adaptable.map((module) =>
    adapterSize(loraPlan({ rank, alpha }, { own: [module], shared: [] }, model)),
  );
  const allowance: Allowance = { scope, keep, sizes: grid.matrix(sizes), there: grid.there };
  const parts = { method: settings, selection: settings, optimisation: settings, run: { seed, threads } };
  const { values } = await diffora.select({
    model,
    objective,
    halves,
    halvesBy: (other) => halvesOf(examples, other),
    settings: searchSettingsOf(parts, halves.train.length, settings.lr, diffora),
    allowance,
    agree: turn,
    signal,
    warn,
    phase: silent.phase,
    searched,
  });
  return { modules: model.modules, values, gamma: discretise(values, allowance) };
}
