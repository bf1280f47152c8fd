/** A value of a GGUF's metadata with its type. */
export interface GgufTyped {
  /** Number of the type (docs/gguf.md, gguf_metadata_value_type). */
  readonly type: number;
  readonly bytes: Buffer;
}

/** Metadata by key, in the order of the file. */
export type GgufMetadata = Readonly<Record<string, GgufTyped>>;

export const uint32 = (value: number): GgufTyped => {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32LE(value);
  return { type: 4, bytes };
};

const int32 = (value: number): GgufTyped => {
  const bytes = Buffer.alloc(4);
  bytes.writeInt32LE(value);
  return { type: 5, bytes };
};

export const float32 = (value: number): GgufTyped => {
  const bytes = Buffer.alloc(4);
  bytes.writeFloatLE(value);
  return { type: 6, bytes };
};

export const bool = (value: boolean): GgufTyped => ({ type: 7, bytes: Buffer.from([value ? 1 : 0]) });

export const text = (value: string): GgufTyped => ({ type: 8, bytes: sized(value) });

export const texts = (values: readonly string[]): GgufTyped => list(values.map(text), 8);
export const int32s = (values: readonly number[]): GgufTyped => list(values.map(int32), 5);
export const float32s = (values: readonly number[]): GgufTyped => list(values.map(float32), 6);

function list(values: readonly GgufTyped[], type: number): GgufTyped {
  const head = Buffer.alloc(12);
  head.writeUInt32LE(type);
  head.writeBigUInt64LE(BigInt(values.length), 4);
  return { type: 9, bytes: Buffer.concat([head, ...values.map(({ bytes }) => bytes)]) };
}

/** A text after its length. */
export function sized(value: string): Buffer {
  const content = Buffer.from(value, 'utf8');
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(content.length));
  return Buffer.concat([length, content]);
}
