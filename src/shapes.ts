import type * as z from 'zod';

/** Settings by name, each with its range, its default and a description. */
export type Shape = Readonly<Record<string, z.ZodType>>;

/** Of all members of a union together. */
export type Joined<U> = (U extends unknown ? (one: U) => void : never) extends (all: infer I) => void ? I : never;

/**
 * The settings of several methods as one shape. A setting of several of them is one schema, the same object in each.
 * @throws Error where two declare one name for themselves
 */
export function joinShapes<S extends Shape>(shapes: Readonly<Record<string, S>>): Joined<S> {
  const all = new Map<string, z.ZodType>();
  for (const [owner, shape] of Object.entries(shapes)) {
    for (const [name, schema] of Object.entries(shape)) {
      const known = all.get(name);
      if (known !== undefined && known !== schema) {
        throw new Error(`${owner} declares the setting ${name} anew; those that share it share one schema`);
      }
      all.set(name, schema);
    }
  }
  return Object.fromEntries(all) as Joined<S>;
}
