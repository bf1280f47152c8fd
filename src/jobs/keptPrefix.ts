import type { AdapterPlan } from '../adapters/plan.js';
import type { EncodedExample } from '../engine/batch.js';
import { tokensOf } from '../engine/batching.js';
import { type FrozenLayers, type FrozenPrefix, frozenLayers } from '../engine/frozenPrefix.js';
import { gigabytes } from '../engine/memory.js';
import type { Objective } from '../engine/objective.js';
import type { Parameter } from '../engine/parameters.js';
import { openPrefixStates, stateBytes } from '../engine/prefixStates.js';
import { usageError } from '../errors.js';
import { fileStore, memoryStore } from '../files/byteStore.js';
import type { Model } from '../models/model.js';
import type { Reporter } from '../reporter.js';
import type { OptimisationConfig } from '../settings/config.js';

/** Where what is kept of examples lies: nowhere, in memory, or in a temporary file. */
type PrefixSettings = Pick<OptimisationConfig, 'cachePrefix' | 'cachePrefixLimit' | 'cachePrefixType'>;

export interface PrefixOptions {
  readonly plan: AdapterPlan;
  readonly parameters: readonly Parameter[];
  readonly examples: readonly EncodedExample[];
  readonly settings: PrefixSettings;
  readonly threads: number;
  /** A matrix that was learned decides where the lowest adapter is: that there is nothing below is no fault of the settings. */
  readonly wasChosen: boolean;
  readonly reporter: Pick<Reporter, 'info' | 'warn'>;
}

/** @throws DiffoError (usage) for a loss of which what an example gives cannot be kept */
export function refuseUnkeptLoss(
  { cachePrefix }: PrefixSettings,
  { parts, redraw }: Pick<Objective, 'parts' | 'redraw'>,
): void {
  if (cachePrefix === 'none') return;
  if (redraw !== undefined) {
    throw usageError(
      'cachePrefix keeps what each text gives, and in this task other tokens of it are masked in every step. Leave cachePrefix out.',
    );
  }
  if (parts !== 'alike') return;
  throw usageError(
    'cachePrefix keeps what each text gives at its own length, and in the loss of this task padding counts, too. Leave cachePrefix out.',
  );
}

/**
 * The layers below the lowest that is trained, with a place for what they give, as the settings ask; undefined where they
 * do not, or where a matrix that was learned has left no such layer.
 * @throws DiffoError (usage) where nothing can be kept
 */
export function keptPrefix(model: Model, options: PrefixOptions): FrozenPrefix | undefined {
  const { plan, parameters, examples, settings, threads, wasChosen, reporter } = options;
  const { cachePrefix, cachePrefixType: type } = settings;
  if (cachePrefix === 'none') return undefined;
  const frozen = frozenLayers(model, { plan, parameters });
  const { layers: layer, hiddenSize } = frozen;
  if (layer === 0) {
    const why = `cachePrefix keeps what the layers below the lowest trained one give, and there is none: ${reasonOf(frozen)}.`;
    if (!wasChosen) throw usageError(`${why} Leave it out, or train higher layers (targets).`);
    reporter.warn(`${why} Nothing is kept.`);
    return undefined;
  }
  const limit = settings.cachePrefixLimit * 1e9;
  const bytes = prefixBytes(examples, frozen, settings);
  if (bytes <= limit) {
    const where = cachePrefix === 'memory' ? 'in memory' : 'in a temporary file';
    reporter.info(
      `What enters layer ${layer} is computed once for each example and kept ${where}: ${gigabytes(bytes)}.`,
    );
  } else {
    const share = Math.round(100 * (1 - limit / bytes));
    reporter.warn(
      `What enters layer ${layer} takes ${gigabytes(bytes)}, and --cache-prefix-limit allows ${gigabytes(limit)}: ` +
        `about ${share} % is computed again in every epoch.`,
    );
  }
  const open = () => {
    const store = (cachePrefix === 'memory' ? memoryStore : fileStore)<EncodedExample>(limit);
    return openPrefixStates(model, { plan, parameters, layer, hiddenSize, type, store, threads });
  };
  return { layer, open };
}

/** Bytes of what enters a layer, of all examples. */
export function prefixBytes(
  examples: readonly EncodedExample[],
  { hiddenSize }: Pick<FrozenLayers, 'hiddenSize'>,
  { cachePrefixType: type }: PrefixSettings,
): number {
  return tokensOf(examples) * stateBytes(hiddenSize, type);
}

function reasonOf({ endedBy }: FrozenLayers): string {
  return endedBy === undefined ? 'the model has one layer' : `${endedBy} is trained`;
}
