import type * as z from 'zod';
import { sharedIgnored, sharedRefused } from './shared.js';

/**
 * What becomes of the keys of a family's config.json. transformers reads every one of them, and a key that it reads is in
 * one of the three (test/models/configKeys.test.ts); what it does not read either changes nothing.
 */
export interface ConfigKeys {
  /** Read under transformers' meaning and default. */
  readonly honoured: readonly string[];
  /** Refused by name where the value would change what the model gives, and that is not built. */
  readonly refused: Readonly<Record<string, Refusal>>;
  /** Without effect on what the model gives, each with the reason. */
  readonly ignored: Readonly<Record<string, string>>;
  /** Other names that transformers knows of honoured keys (its `attribute_map`). */
  readonly aliases?: Readonly<Record<string, string>>;
}

export interface Refusal {
  /** True for a value with which the model gives the same as without. */
  readonly allows: (value: unknown, config: Readonly<Record<string, unknown>>) => boolean;
  /** What the value asks for, and what can be done: the end of a sentence. */
  readonly why: string;
}

/** Refuses every value of a key but these. */
export function only(values: readonly unknown[], why: string): Refusal {
  return { allows: (value) => values.includes(value), why };
}

/** Keys that are read beside the architecture: heads, names of classes, ends of texts. */
const readElsewhere = ['model_type', 'architectures', 'id2label', 'num_labels', 'problem_type', 'eos_token_id'];

/** The keys of a family: those of its schema are honoured, and come before what all families have in common. */
export function configKeys(
  schema: z.ZodObject,
  own: { readonly refused?: ConfigKeys['refused']; readonly ignored?: ConfigKeys['ignored'] } & Pick<
    ConfigKeys,
    'aliases'
  > = {},
): ConfigKeys {
  const { refused = {}, ignored = {}, aliases = {} } = own;
  const honoured = [...Object.keys(schema.shape), ...Object.keys(aliases), ...readElsewhere];
  const taken = new Set([...honoured, ...Object.keys(refused), ...Object.keys(ignored)]);
  const left = <Value>(shared: Readonly<Record<string, Value>>) =>
    Object.fromEntries(Object.entries(shared).filter(([key]) => !taken.has(key)));
  return {
    honoured: honoured.filter((key) => !(key in refused)),
    refused: { ...left(sharedRefused), ...refused },
    ignored: { ...left(sharedIgnored), ...ignored },
    aliases,
  };
}
