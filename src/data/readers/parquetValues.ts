import type { FileMetaData, ParquetParsers, SchemaElement, SchemaTree } from 'hyparquet';

/**
 * A schema under which hyparquet leaves values as they are stored, which {@link plainValue} then tells: hyparquet itself makes decimals
 * numbers that are not exact, and moments `Date`s, whose text depends on the time zone.
 */
export function asStored(metadata: FileMetaData): FileMetaData {
  const plain = ({ converted_type: _, logical_type: __, ...element }: SchemaElement): SchemaElement => element;
  return {
    ...metadata,
    schema: metadata.schema.map((element) => (textOf(element) === undefined ? element : plain(element))),
  };
}

/** How hyparquet is to read what it reads otherwise than it is stored: texts with their byte order mark, INT96 as its text. */
export const parsers: Pick<ParquetParsers, 'stringFromBytes' | 'jsonFromBytes' | 'timestampFromNanoseconds'> = {
  stringFromBytes: text,
  jsonFromBytes: text,
  timestampFromNanoseconds: (nanoseconds) => momentOf(nanoseconds, 9),
};

/**
 * A value as JSON would have it: dates, times and moments in ISO 8601, moments that are stored as UTC with a `Z`; decimals as text,
 * with all their digits; 64-bit integers as numbers where a number holds them exactly; bytes as text where they are UTF-8.
 */
export function plainValue(node: SchemaTree, value: unknown): unknown {
  if (value === null || value === undefined) return null;
  if (value instanceof Uint8Array && node.children.length === 0) return (textOf(node.element) ?? text)(value);
  if (ArrayBuffer.isView(value))
    return Array.from(value as unknown as Iterable<unknown>, (one) => plainValue(elementOf(node), one));
  if (Array.isArray(value)) return value.map((one) => plainValue(elementOf(node), one));
  if (typeof value === 'object') {
    const entries = Object.entries(value);
    return Object.fromEntries(entries.map(([name, one]) => [name, plainValue(memberOf(node, name), one)]));
  }
  const told = textOf(node.element);
  if (told !== undefined && (typeof value === 'number' || typeof value === 'bigint')) return told(value);
  return typeof value === 'bigint' && BigInt(Number(value)) === value ? Number(value) : value;
}

/** The schema of a list's elements: lists are written as a group of a group (parquet-format, LogicalTypes.md). */
function elementOf(node: SchemaTree): SchemaTree {
  if (node.element.converted_type !== 'LIST') return node;
  const group = node.children[0]!;
  return group.children.length === 1 ? group.children[0]! : group;
}

function memberOf(node: SchemaTree, name: string): SchemaTree {
  if (node.element.converted_type === 'MAP') return node.children[0]!.children[1]!;
  return node.children.find(({ element }) => element.name === name) ?? node;
}

type Stored = number | bigint | Uint8Array;

/** How a stored value of a type is told; undefined for types that hyparquet tells well. */
function textOf({ converted_type: converted, logical_type: logical, scale }: SchemaElement) {
  if (logical?.type === 'DECIMAL') return (value: Stored) => decimalOf(value, logical.scale);
  if (logical?.type === 'TIMESTAMP') {
    const zone = logical.isAdjustedToUTC ? 'Z' : '';
    return (value: Stored) => `${momentOf(integerOf(value), digitsOf[logical.unit])}${zone}`;
  }
  if (logical?.type === 'TIME') return (value: Stored) => timeOf(integerOf(value), digitsOf[logical.unit]);
  switch (converted) {
    case 'DECIMAL':
      return (value: Stored) => decimalOf(value, scale ?? 0);
    case 'DATE':
      return (value: Stored) => momentOf(integerOf(value) * 86_400n, 0).slice(0, -'T00:00:00'.length);
    case 'TIMESTAMP_MILLIS':
      return (value: Stored) => `${momentOf(integerOf(value), 3)}Z`;
    case 'TIMESTAMP_MICROS':
      return (value: Stored) => `${momentOf(integerOf(value), 6)}Z`;
    case 'TIME_MILLIS':
      return (value: Stored) => timeOf(integerOf(value), 3);
    case 'TIME_MICROS':
      return (value: Stored) => timeOf(integerOf(value), 6);
    default:
      return undefined;
  }
}

const digitsOf = { MILLIS: 3, MICROS: 6, NANOS: 9 } as const;

/** @param digits of the fraction of a second that `ticks` count */
function momentOf(ticks: bigint, digits: 0 | 3 | 6 | 9): string {
  const second = 10n ** BigInt(digits);
  const fraction = ((ticks % second) + second) % second;
  const [whole] = new Date(Number((ticks - fraction) / second) * 1000).toISOString().split('.');
  return fraction === 0n ? whole! : `${whole}.${String(fraction).padStart(digits, '0')}`;
}

function timeOf(ticks: bigint, digits: 3 | 6 | 9): string {
  return momentOf(ticks, digits).slice('1970-01-01T'.length);
}

function decimalOf(value: Stored, scale: number): string {
  const integer = integerOf(value);
  const digits = String(integer < 0n ? -integer : integer).padStart(scale + 1, '0');
  const [whole, part] = [digits.slice(0, digits.length - scale), digits.slice(digits.length - scale)];
  return `${integer < 0n ? '-' : ''}${whole}${part === '' ? '' : `.${part}`}`;
}

/** An integer, of bytes in two's complement with the highest first. */
function integerOf(value: Stored): bigint {
  if (!(value instanceof Uint8Array)) return BigInt(value);
  const bits = value.reduce((sum, byte) => sum * 256n + BigInt(byte), 0n);
  return BigInt.asIntN(8 * value.length, bits);
}

/** Bytes as text, but those that are none as they are. */
function text(bytes: Uint8Array | undefined): unknown {
  try {
    return bytes && new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    return bytes;
  }
}
