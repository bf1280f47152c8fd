import { halfOf } from '../../checkpoint/halves.js';

/** How a tensor's values are written. */
export type GgufEncoding = keyof typeof encodings;

/** A type of GGML: whole blocks of a row. */
export interface Encoding {
  /** Its number in ggml.h. */
  readonly id: number;
  /** Values of a block, and the bytes that it takes. */
  readonly elements: number;
  readonly bytes: number;
  /** Writes the block that begins at `from` of `values` to `at`. */
  readonly write: (values: Float32Array, from: number, out: DataView, at: number) => void;
}

/**
 * Blocks as the Python package gguf writes them (gguf/quants.py, the formulas of `quantize_row_*_ref` in ggml-quants.c): every
 * step is rounded to float32 as there, so that the bytes are equal.
 */
export const encodings = {
  F32: {
    id: 0,
    elements: 1,
    bytes: 4,
    write: (values, from, out, at) => out.setFloat32(at, values[from]!, true),
  },
  F16: {
    id: 1,
    elements: 1,
    bytes: 2,
    write: (values, from, out, at) => out.setUint16(at, halfOf(values[from]!), true),
  },
  Q4_0: { id: 2, elements: 32, bytes: 18, write: writeQ4 },
  Q8_0: { id: 8, elements: 32, bytes: 34, write: writeQ8 },
} satisfies Record<string, Encoding>;

/** A scale and 32 numbers of 4 bits, 8 meaning 0: of each byte the low half is of the first sixteen. */
function writeQ4(values: Float32Array, from: number, out: DataView, at: number): void {
  let largest = 0;
  for (let i = 0; i < 32; i++) if (Math.abs(values[from + i]!) > Math.abs(largest)) largest = values[from + i]!;
  const scale = Math.fround(largest / -8);
  const inverse = inverseOf(scale);
  const quantised = (i: number) => {
    const shifted = Math.fround(Math.fround(values[from + i]! * inverse) + 8.5);
    return Math.min(15, Math.max(0, Math.trunc(shifted)));
  };
  out.setUint16(at, halfOf(scale), true);
  for (let i = 0; i < 16; i++) out.setUint8(at + 2 + i, quantised(i) | (quantised(i + 16) << 4));
}

/** A scale and 32 numbers of 8 bits, rounded away from zero. */
function writeQ8(values: Float32Array, from: number, out: DataView, at: number): void {
  let largest = 0;
  for (let i = 0; i < 32; i++) largest = Math.max(largest, Math.abs(values[from + i]!));
  const scale = Math.fround(largest / 127);
  const inverse = inverseOf(scale);
  out.setUint16(at, halfOf(scale), true);
  for (let i = 0; i < 32; i++) {
    const scaled = Math.fround(values[from + i]! * inverse);
    const size = Math.abs(scaled);
    const whole = Math.floor(size);
    out.setInt8(at + 2 + i, Math.sign(scaled) * (whole + Math.floor(2 * (size - whole))));
  }
}

/** 0 where the scale is 0, or so small that as a half it is 0 and float32 has no inverse of it. */
function inverseOf(scale: number): number {
  const inverse = Math.fround(1 / scale);
  return Number.isFinite(inverse) ? inverse : 0;
}

/** Bytes of a tensor. */
export function bytesOf(shape: readonly number[], type: GgufEncoding): number {
  const { elements, bytes } = encodings[type];
  return (shape.reduce((product, size) => product * size, 1) / elements) * bytes;
}

/** Part of a tensor's values, whole blocks of it, as bytes. */
export function encode(values: Float32Array, type: GgufEncoding): Uint8Array {
  const { elements, bytes, write } = encodings[type];
  const out = new Uint8Array((values.length / elements) * bytes);
  const view = new DataView(out.buffer);
  for (let from = 0, at = 0; from < values.length; from += elements, at += bytes) write(values, from, view, at);
  return out;
}

/** The largest size of a value that does not become infinite. */
export function largestOf(type: GgufEncoding): number {
  const half = 65_519.996;
  return { F32: Number.MAX_VALUE, F16: half, Q4_0: half * 8, Q8_0: half * 127 }[type];
}
