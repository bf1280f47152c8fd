import { DiffoError, nearestNames } from '../errors.js';
import type { AdaptableModule, Model } from '../models/model.js';
import { type LearnedRanks, learnedAdaLoraPlan } from './methods/adalora.js';
import { doraPlan } from './methods/dora.js';
import { loraPlan } from './methods/lora.js';
import { rsLoraPlan } from './methods/rslora.js';
import { veraPlan } from './methods/vera.js';
import { alphaOf, type PeftAdapter, rankOf } from './peft/index.js';
import type { AdapterPlan } from './plan.js';

/** A plan with the values of its tensors. */
export interface PlacedAdapter {
  readonly plan: AdapterPlan;
  readonly values: ReadonlyMap<string, Float32Array>;
}

/**
 * The plan and the values of an adapter that was read from a folder in PEFT's format.
 * @param folder for messages
 * @throws DiffoError when adapter and model do not belong together
 */
export function planFromPeft(adapter: PeftAdapter, model: Model, folder: string): PlacedAdapter {
  const own = modulesOf(adapter, model, folder);
  checkSizes(adapter, own, model, folder);
  const values = new Map<string, Float32Array>();
  for (const [path, tensors] of adapter.modules) {
    for (const [suffix, { data }] of Object.entries(tensors)) {
      values.set(`${path}.${suffix.replace(/\.weight$/, '')}`, data);
    }
  }
  for (const { name, data } of adapter.shared) values.set(name, data);
  const plan = planOf(adapter, own, model);
  const replaced = adapter.biases.map(({ name, shape, data }) => {
    const stored = model.checkpoint.tensors.get(model.backbone.get(name) ?? '');
    if (`${stored?.shape}` !== `${shape}`) {
      throw new DiffoError(`${folder}: the trained bias ${name} [${shape}] is none of ${model.checkpoint.name}.`);
    }
    values.set(name, data);
    return name;
  });
  return { plan: { ...plan, replaced, save: (...of) => keepFields(plan.save(...of), adapter) }, values };
}

/** What was written by others is written back: fields that diffora does not set keep what they said. */
function keepFields(contents: ReturnType<AdapterPlan['save']>, adapter: PeftAdapter): ReturnType<AdapterPlan['save']> {
  if (contents.format !== 'peft') return contents;
  return { ...contents, fields: { ...contents.fields, ...adapter.fields } };
}

function planOf(adapter: PeftAdapter, own: readonly AdaptableModule[], model: Model): AdapterPlan {
  const { fields, rank, alpha } = adapter;
  const where = { own, shared: [] };
  const loraDropout = typeof fields.lora_dropout === 'number' ? fields.lora_dropout : 0;
  const byPath = (of: (path: string) => number) => Object.fromEntries(own.map(({ path }) => [path, of(path)]));
  const settings = {
    rank,
    alpha,
    ranks: byPath((path) => rankOf(adapter, path)),
    alphas: byPath((path) => alphaOf(adapter, path)),
    loraDropout,
  };
  switch (adapter.peftType) {
    case 'VERA':
      return veraPlan({ rank, veraInitial: 0.1, loraDropout: Number(fields.vera_dropout ?? 0) }, where);
    case 'ADALORA': {
      const ranks: LearnedRanks = new Map(own.map(({ path }) => [path, rankOf(adapter, path)]));
      return learnedAdaLoraPlan(
        { ...settings, ranks: undefined, initRank: rank, orthogonality: Number(fields.orth_reg_weight ?? 0.5) },
        ranks,
        where,
        model,
      );
    }
    case 'LORA':
      if (fields.use_dora === true)
        return doraPlan({ ...settings, stabilised: fields.use_rslora === true }, where, model);
      return fields.use_rslora === true ? rsLoraPlan(settings, where, model) : loraPlan(settings, where, model);
  }
}

function modulesOf(adapter: PeftAdapter, model: Model, folder: string): AdaptableModule[] {
  const known = new Map(model.adaptable.map((module) => [module.path, module]));
  return [...adapter.modules.keys()].map((path) => {
    const module = known.get(path);
    if (module !== undefined) return module;
    const nearest = nearestNames(path, [...known.keys()], 1)[0];
    throw new DiffoError(`${folder}: "${path}" is no module of ${model.checkpoint.name}; nearest: ${nearest}.`);
  });
}

/** Sizes that the file cannot tell to be wrong, but the model can. */
function checkSizes(adapter: PeftAdapter, own: readonly AdaptableModule[], model: Model, folder: string): void {
  for (const { path, inFeatures, outFeatures } of own) {
    const tensors = adapter.modules.get(path)!;
    const rank = rankOf(adapter, path);
    const expected: Readonly<Record<string, readonly number[]>> = {
      lora_A: [rank, inFeatures],
      lora_B: [outFeatures, rank],
      lora_magnitude_vector: [outFeatures],
      vera_lambda_b: [outFeatures],
    };
    for (const [suffix, { shape }] of Object.entries(tensors)) {
      const name = suffix.replace(/\.weight$/, '');
      const wanted = expected[name];
      if (wanted === undefined || `${wanted}` === `${shape}`) continue;
      throw new DiffoError(`${folder}: ${path} has ${name} [${shape}]; ${model.checkpoint.name} needs [${wanted}].`);
    }
  }
}
