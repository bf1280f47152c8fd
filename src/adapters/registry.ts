import type * as z from 'zod';
import type { PeftContents } from './contents.js';
import type { MethodFormat, PeftFormat, PeftReader, PlainFormat } from './format.js';
import type { MethodOf } from './method.js';
import { adalora } from './methods/adalora.js';
import { bitfit } from './methods/bitfit.js';
import { dora } from './methods/dora.js';
import { full } from './methods/full.js';
import { head } from './methods/head.js';
import { houlsby } from './methods/houlsby.js';
import { ia3 } from './methods/ia3.js';
import { lora } from './methods/lora.js';
import { loraplus } from './methods/loraplus.js';
import { pfeiffer } from './methods/pfeiffer.js';
import { pissa } from './methods/pissa.js';
import { rslora } from './methods/rslora.js';
import { vera } from './methods/vera.js';
import type { PeftType } from './peft/type.js';

/** A method: a file and a word here. The order is that of the help. */
const methods = {
  head,
  full,
  bitfit,
  houlsby,
  pfeiffer,
  lora,
  rslora,
  loraplus,
  pissa,
  dora,
  adalora,
  vera,
  ia3,
};

/** Name of a method: `lora`, `dora`, `bitfit`, … */
export type AdapterMethodName = keyof typeof methods;
type Methods = (typeof methods)[AdapterMethodName];

/** Of all members of a union together. */
type Joined<U> = (U extends unknown ? (one: U) => void : never) extends (all: infer I) => void ? I : never;

type Shape = Joined<Methods['settings']>;
type Defaults = Joined<Extract<Methods, { defaults: unknown }>['defaults']>;

/** The schema of every setting that a method reads, by name. */
export const adapterSettings: Shape = joined(Object.entries(methods).map(([name, { settings }]) => [name, settings]));

/** Name of a setting that only some methods read. */
export type AdapterSettingName = keyof Shape;

/** Every method's settings together, as they were given. */
export type GivenAdapterSettings = z.output<z.ZodObject<Shape>>;

/** Every method's settings together, none open; each method reads its own. */
export type AdapterSettings = GivenAdapterSettings & { readonly [K in 'rank' | keyof Defaults]: number };

/** A way to fine-tune. */
export type AdapterMethod = MethodOf<AdapterSettings>;

/** Every method by name. */
export const adapterMethods: Readonly<Record<AdapterMethodName, AdapterMethod>> = methods;
export const adapterMethodNames = Object.keys(methods) as AdapterMethodName[];

/** PEFT's formats of adapters that can be read. */
export const peftTypes: readonly PeftType[] = [
  ...new Set(Object.values(adapterMethods).flatMap(({ format }) => (hasReader(format) ? [format.type] : []))),
];

/** A method with what reads its files. */
export interface FoundReader {
  readonly method: AdapterMethodName;
  readonly reader: PeftReader;
}

/** The method that reads an adapter in PEFT's format. */
export function peftReaderOf({ type, fields }: Pick<PeftContents, 'type' | 'fields'>): FoundReader {
  const found = adapterMethodNames.flatMap((method): FoundReader[] => {
    const { format } = adapterMethods[method];
    return hasReader(format) && format.type === type && format.reader.matches(fields)
      ? [{ method, reader: format.reader }]
      : [];
  });
  if (found.length === 1) return found[0]!;
  const names = found.map(({ method }) => method).join(', ') || 'none';
  throw new Error(`an adapter of type ${type.name} has to be of one method, and is of ${names}`);
}

function hasReader(format: MethodFormat): format is PeftFormat & { readonly reader: PeftReader } {
  return format.format === 'peft' && format.reader !== undefined;
}

/** Names of the methods in diffora's own format. */
export const plainMethodNames = adapterMethodNames.filter((name) => adapterMethods[name].format.format === 'diffora');

/** diffora's own format of a method. @throws Error where its format is PEFT's */
export function plainFormatOf(name: AdapterMethodName): PlainFormat {
  const { format } = adapterMethods[name];
  if (format.format === 'diffora') return format;
  throw new Error(`${name} has PEFT's format`);
}

/** Names of the settings that a method reads. */
export function settingsOf({ settings }: Pick<AdapterMethod, 'settings'>): AdapterSettingName[] {
  return Object.keys(settings) as AdapterSettingName[];
}

/** What help says of a setting: the methods that read it, where they are few, what it is, and ranks that differ. */
export function adapterSettingHelp(name: AdapterSettingName): string {
  const readers = adapterMethodNames.filter((method) => settingsOf(adapterMethods[method]).includes(name));
  const ofWhom = readers.length > 2 ? '' : `${readers.join(', ')}: `;
  return `${ofWhom}${adapterSettings[name].description}${name === 'rank' ? ` (default: ${usualRanks()})` : ''}`;
}

/** The rank where neither the settings nor the method name one. */
const usualRank = lora.usual.rank;

/** Fills in what hangs on the method and on its rank, for a run that names `method`. */
export function withAdapterDefaults<G extends GivenAdapterSettings>(
  method: AdapterMethodName,
  given: G,
): G & AdapterSettings {
  const rank = given.rank ?? adapterMethods[method].usual.rank ?? usualRank;
  const defaults = Object.values(adapterMethods).flatMap((one) => Object.entries(one.defaults ?? {}));
  const usual = Object.fromEntries(defaults.map(([name, valueAt]) => [name, valueAt(rank)]));
  const said = Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined));
  return { ...given, ...usual, ...said, rank } as G & AdapterSettings;
}

/** `8, for vera 256` */
function usualRanks(): string {
  const others = adapterMethodNames.flatMap((name) => {
    const { rank } = adapterMethods[name].usual;
    return rank === undefined || rank === usualRank ? [] : [`, for ${name} ${rank}`];
  });
  return `${usualRank}${others.join('')}`;
}

/** Schemas by name of setting. A setting of several methods is the same object in each. */
function joined(shapes: readonly (readonly [method: string, settings: AdapterMethod['settings']])[]): Shape {
  const all = new Map<string, z.ZodType>();
  for (const [method, settings] of shapes) {
    for (const [name, schema] of Object.entries(settings)) {
      const known = all.get(name);
      if (known !== undefined && known !== schema) {
        throw new Error(`method ${method} declares the setting ${name} anew; methods share one schema of it`);
      }
      all.set(name, schema);
    }
  }
  return Object.fromEntries(all) as Shape;
}
