import type * as z from 'zod';
import type { Model } from '../models/model.js';
import type { Fields, PeftType } from './peft/type.js';
import type { PeftAdapter } from './peft/types.js';
import type { AdapterPlan, Where } from './plan.js';

/** How the adapters of a method lie in a folder. What is written is said by `AdapterPlan.save`. */
export type MethodFormat = PeftFormat | PlainFormat;

/** In PEFT's format. */
export interface PeftFormat {
  readonly format: 'peft';
  readonly type: PeftType;
  /** Left out by a method whose files are another's: those of LoRA+ are LoRA's, and are read as such. */
  readonly reader?: PeftReader;
}

export interface PeftReader {
  /** Whether an adapter with these fields is the method's. Of the methods of a type exactly one says so. */
  matches(fields: Fields): boolean;
  /** The plan of an adapter on the modules that it names; ranks and shapes are checked. */
  plan(adapter: PeftAdapter, where: Where, model: Model): AdapterPlan;
}

/** In diffora's own format, for methods that PEFT does not have. */
export interface PlainFormat {
  readonly format: 'diffora';
  /** Settings that the plan is built again with. */
  readonly settings: z.ZodType;
  /** @param settings as `settings` has checked them */
  plan(settings: unknown, model: Model): AdapterPlan;
}

/** diffora's own format for a method that needs the settings of `schema` to be built again. */
export function plainFormat<S>(schema: z.ZodType<S>, plan: (settings: S, model: Model) => AdapterPlan): PlainFormat {
  return { format: 'diffora', settings: schema, plan: (settings, model) => plan(schema.parse(settings), model) };
}
