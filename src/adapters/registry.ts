import type { BottleneckSettings } from './bottleneck.js';
import { type Fit, fitAverageRank, fitRanks, fitReduction, type MakePlan } from './fit.js';
import { type AdaLoraSettings, adaLoraPlan } from './methods/adalora.js';
import { bitfitPlan } from './methods/bitfit.js';
import { doraPlan } from './methods/dora.js';
import { headPlan } from './methods/head.js';
import { houlsbyPlan } from './methods/houlsby.js';
import { type LoraSettings, loraPlan } from './methods/lora.js';
import { type LoraPlusSettings, loraPlusPlan } from './methods/loraPlus.js';
import { pfeifferPlan } from './methods/pfeiffer.js';
import { type PissaSettings, pissaPlan } from './methods/pissa.js';
import { rsLoraPlan } from './methods/rslora.js';
import { type VeraSettings, veraPlan } from './methods/vera.js';
import { fullPlan } from './whole.js';

/** Every method's settings together; each reads its own. */
export type AdapterSettings = LoraSettings &
  LoraPlusSettings &
  PissaSettings &
  AdaLoraSettings &
  VeraSettings &
  BottleneckSettings;

/** Name of a setting that only some methods read. */
export type AdapterSettingName = keyof AdapterSettings;

/** A way to fine-tune. */
export interface AdapterMethod {
  readonly title: string;
  /** Where it comes from. */
  readonly source: string;
  /** What decides which modules it acts on: `targets` and a matrix, `targets` alone, or the method itself. */
  readonly places: 'selected' | 'targets' | 'itself';
  /** The settings that it reads. */
  readonly settings: readonly AdapterSettingName[];
  /** What is taken where nothing is said. */
  readonly usual: { readonly lr: number; readonly rank?: number };
  /** @internal */
  readonly plan: MakePlan<AdapterSettings>;
  /**
   * The settings at which it has so many trainable numbers; left out where none of them decides that.
   * @internal
   */
  readonly fit?: Fit<AdapterSettings>;
}

const ofLora = ['rank', 'alpha', 'ranks', 'alphas', 'loraDropout', 'bias'] as const;
const usualLora = { lr: 5e-4, rank: 8 };

const methods = {
  head: {
    title: 'head only',
    source: '',
    places: 'itself',
    settings: [],
    usual: { lr: 5e-4 },
    plan: (_settings, _where, model) => headPlan(model),
  },
  full: {
    title: 'full fine-tuning',
    source: 'arXiv 1810.04805',
    places: 'itself',
    settings: [],
    usual: { lr: 5e-5 },
    plan: (_settings, _where, model) => fullPlan(model),
  },
  bitfit: {
    title: 'BitFit',
    source: 'arXiv 2106.10199',
    places: 'itself',
    settings: [],
    usual: { lr: 1e-3 },
    plan: (_settings, _where, model) => bitfitPlan(model),
  },
  houlsby: {
    title: 'Houlsby adapters',
    source: 'arXiv 1902.00751',
    places: 'itself',
    settings: ['reduction'],
    usual: { lr: 5e-4 },
    plan: (settings, _where, model) => houlsbyPlan(settings, model),
    fit: fitReduction(houlsbyPlan),
  },
  pfeiffer: {
    title: 'Pfeiffer adapters',
    source: 'arXiv 2005.00247',
    places: 'itself',
    settings: ['reduction'],
    usual: { lr: 5e-4 },
    plan: (settings, _where, model) => pfeifferPlan(settings, model),
    fit: fitReduction(pfeifferPlan),
  },
  lora: {
    title: 'LoRA',
    source: 'arXiv 2106.09685',
    places: 'selected',
    settings: ofLora,
    usual: usualLora,
    plan: (settings, where, model) => loraPlan(settings, where, model),
    fit: fitRanks((settings, where, model) => loraPlan(settings, where, model)),
  },
  rslora: {
    title: 'rsLoRA',
    source: 'arXiv 2312.03732',
    places: 'selected',
    settings: ofLora,
    usual: usualLora,
    plan: rsLoraPlan,
    fit: fitRanks(rsLoraPlan),
  },
  loraplus: {
    title: 'LoRA+',
    source: 'arXiv 2402.12354',
    places: 'selected',
    settings: [...ofLora, 'loraPlusRatio'],
    usual: { lr: 1e-4, rank: 8 },
    plan: loraPlusPlan,
    fit: fitRanks(loraPlusPlan),
  },
  pissa: {
    title: 'PiSSA',
    source: 'arXiv 2404.02948',
    places: 'selected',
    settings: [...ofLora, 'pissaIterations'],
    usual: usualLora,
    plan: pissaPlan,
    fit: fitRanks(pissaPlan),
  },
  dora: {
    title: 'DoRA',
    source: 'arXiv 2402.09353',
    places: 'selected',
    settings: ofLora,
    usual: usualLora,
    plan: doraPlan,
    fit: fitRanks(doraPlan),
  },
  adalora: {
    title: 'AdaLoRA',
    source: 'arXiv 2303.10512',
    places: 'targets',
    settings: [
      'rank',
      'alpha',
      'loraDropout',
      'bias',
      'adaloraInitRank',
      'adaloraTinit',
      'adaloraTfinal',
      'adaloraDeltaT',
      'adaloraBeta1',
      'adaloraBeta2',
      'adaloraOrthogonality',
    ],
    usual: usualLora,
    plan: adaLoraPlan,
    fit: fitAverageRank,
  },
  vera: {
    title: 'VeRA',
    source: 'arXiv 2310.11454',
    places: 'targets',
    settings: ['rank', 'loraDropout', 'veraInitial'],
    usual: { lr: 1e-2, rank: 256 },
    plan: veraPlan,
  },
} as const satisfies Record<string, AdapterMethod>;

/** Name of a method: `lora`, `dora`, `bitfit`, … */
export type AdapterMethodName = keyof typeof methods;

/** Every method: a file and an entry here. */
export const adapterMethods: Readonly<Record<AdapterMethodName, AdapterMethod>> = methods;
export const adapterMethodNames = Object.keys(adapterMethods) as AdapterMethodName[];
