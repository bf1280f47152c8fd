import * as z from 'zod';

/** The part of JSON Schema that files and flags use. */
export interface Shape {
  readonly type?: 'string' | 'number' | 'integer' | 'boolean' | 'array' | 'object' | 'null';
  readonly default?: unknown;
  readonly const?: unknown;
  readonly enum?: readonly string[];
  readonly examples?: readonly unknown[];
  readonly anyOf?: readonly Shape[];
  readonly oneOf?: readonly Shape[];
  readonly items?: Shape;
  readonly prefixItems?: readonly Shape[];
  readonly properties?: Readonly<Record<string, Shape>>;
  readonly additionalProperties?: Shape | boolean;
  readonly minLength?: number;
  readonly minItems?: number;
  readonly minimum?: number;
  readonly maximum?: number;
  readonly exclusiveMinimum?: number;
  readonly exclusiveMaximum?: number;
}

/** What a schema takes, before it makes anything of it. */
export function shapeOf(schema: z.ZodType): Shape {
  return z.toJSONSchema(schema, { io: 'input', unrepresentable: 'any' }) as Shape;
}

/** `a whole number of at least 1`, `one of head, lora, diffora`, as files have it; undefined where nothing is known. */
export function expectation(shape: Shape): string | undefined {
  const choices = shape.anyOf ?? shape.oneOf;
  if (choices !== undefined) {
    const all = choices.map(expectation);
    return all.includes(undefined) ? undefined : [...new Set(all)].join(' or ');
  }
  if (shape.const !== undefined) return typeof shape.const === 'string' ? shape.const : JSON.stringify(shape.const);
  if (shape.enum !== undefined) return shape.enum.length === 1 ? shape.enum[0] : `one of ${shape.enum.join(', ')}`;
  switch (shape.type) {
    case 'string':
      if (shape.examples !== undefined) return `a text such as ${shape.examples.join(', ')}`;
      return (shape.minLength ?? 0) > 0 ? 'a text that is not empty' : 'a text';
    case 'boolean':
      return 'true or false';
    case 'null':
      return 'null';
    case 'number':
    case 'integer':
      return numberOf(shape);
    case 'array':
      return listOf(shape);
    case 'object':
      return objectOf(shape);
    default:
      return undefined;
  }
}

function numberOf({ type, minimum, maximum, exclusiveMinimum, exclusiveMaximum }: Shape): string {
  const bounds = [
    ...(exclusiveMinimum === undefined ? [] : [`above ${exclusiveMinimum}`]),
    ...(minimum === undefined || minimum === Number.MIN_SAFE_INTEGER ? [] : [`of at least ${minimum}`]),
    ...(exclusiveMaximum === undefined ? [] : [`below ${exclusiveMaximum}`]),
    ...(maximum === undefined || maximum === Number.MAX_SAFE_INTEGER ? [] : [`of at most ${maximum}`]),
  ];
  return `a ${type === 'integer' ? 'whole number' : 'number'} ${bounds.join(' and ')}`.trim();
}

function listOf({ items, minItems = 0 }: Shape): string {
  const each = items && expectation(items);
  const least = minItems > 0 ? `, at least ${minItems} of them` : '';
  return each === undefined ? `a list${least}` : `a list, each ${each}${least}`;
}

function objectOf({ properties, additionalProperties }: Shape): string {
  const each = typeof additionalProperties === 'object' ? expectation(additionalProperties) : undefined;
  if (each !== undefined) return `names with values ({ name: … }), each ${each}`;
  const keys = Object.keys(properties ?? {});
  return keys.length === 0 || keys.length > 8
    ? 'names with values ({ name: … })'
    : `names with values (${keys.join(', ')})`;
}

/** The shape at a path, of several that a value may have the first that has such a part; undefined where none has. */
export function shapeAt(shape: Shape, path: readonly PropertyKey[]): Shape | undefined {
  const [first, ...rest] = path;
  if (first === undefined) return shape;
  for (const one of shape.anyOf ?? shape.oneOf ?? []) {
    const found = shapeAt(one, path);
    if (found !== undefined) return found;
  }
  const { properties, additionalProperties, items, prefixItems } = shape;
  const next =
    typeof first === 'number'
      ? (prefixItems?.[first] ?? items)
      : ((Object.hasOwn(properties ?? {}, first) ? properties![String(first)] : undefined) ??
        (typeof additionalProperties === 'object' ? additionalProperties : undefined));
  return next && shapeAt(next, rest);
}
