import { float16Table } from './dtype.js';

/** GGML's types by number (ggml.h), those that can be read. */
export const ggufTypes: Readonly<Record<number, GgufType>> = {
  0: 'F32',
  1: 'F16',
  2: 'Q4_0',
  3: 'Q4_1',
  6: 'Q5_0',
  7: 'Q5_1',
  8: 'Q8_0',
  10: 'Q2_K',
  11: 'Q3_K',
  12: 'Q4_K',
  13: 'Q5_K',
  14: 'Q6_K',
  30: 'BF16',
};
type GgufType = keyof typeof blocks;

/** Names of the types that cannot be read (ggml.h, `ggml_type`), for messages. */
export const otherTypes: Readonly<Record<number, string>> = {
  9: 'Q8_1',
  15: 'Q8_K',
  16: 'IQ2_XXS',
  17: 'IQ2_XS',
  18: 'IQ3_XXS',
  19: 'IQ1_S',
  20: 'IQ4_NL',
  21: 'IQ3_S',
  22: 'IQ2_S',
  23: 'IQ4_XS',
  24: 'I8',
  25: 'I16',
  26: 'I32',
  27: 'I64',
  28: 'F64',
  29: 'IQ1_M',
  34: 'TQ1_0',
  35: 'TQ2_0',
  39: 'MXFP4',
};

/** Writes the values of one block of `bytes` at `at` into `out` at `to`. */
type Dequantize = (bytes: DataView, at: number, out: Float32Array, to: number) => void;

interface Block {
  readonly elements: number;
  readonly bytes: number;
  readonly read: Dequantize;
}

/** Elements and bytes of a block. @param type one of `ggufTypes` */
export function blockOf(type: string): Block {
  return blocks[type as GgufType];
}

/**
 * Blocks as float32: the formulas of ggml-quants.c (`dequantize_row_*`), with the roundings of the Python package gguf
 * (gguf/quants.py), whose results these equal bit by bit.
 */
export function dequantize(bytes: Uint8Array, type: string): Float32Array {
  const { elements, bytes: width, read } = blockOf(type);
  const count = bytes.byteLength / width;
  const out = new Float32Array(count * elements);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  for (let block = 0; block < count; block++) read(view, block * width, out, block * elements);
  return out;
}

const half = (view: DataView, at: number) => float16Table()[view.getUint16(at, true)]!;

/** 32 values of 4 bits, the low halves of 16 bytes first; with `high`, a fifth bit each from 4 bytes. */
function nibbles(view: DataView, at: number, index: number, high?: number): number {
  const byte = view.getUint8(at + (index % 16));
  const low = index < 16 ? byte & 0xf : byte >> 4;
  return high === undefined ? low : low | (((high >>> index) & 1) << 4);
}

/** A 6-bit scale and minimum of sub-block j out of the 12 bytes of Q4_K and Q5_K (`get_scale_min_k4`). */
function scaleAndMin(view: DataView, at: number, j: number): [scale: number, min: number] {
  const byte = (i: number) => view.getUint8(at + i);
  if (j < 4) return [byte(j) & 63, byte(j + 4) & 63];
  return [(byte(j + 4) & 0xf) | ((byte(j - 4) >> 6) << 4), (byte(j + 4) >> 4) | ((byte(j) >> 6) << 4)];
}

const float = (width: number, read: (view: DataView, at: number) => number): Block => ({
  elements: 1,
  bytes: width,
  read: (view, at, out, to) => {
    out[to] = read(view, at);
  },
});

const bits = new DataView(new ArrayBuffer(4));
function bfloat16(view: DataView, at: number): number {
  bits.setUint32(0, view.getUint16(at, true) << 16);
  return bits.getFloat32(0);
}

const blocks = {
  F32: float(4, (view, at) => view.getFloat32(at, true)),
  F16: float(2, half),
  BF16: float(2, bfloat16),
  Q4_0: {
    elements: 32,
    bytes: 18,
    read: (view, at, out, to) => {
      const d = half(view, at);
      for (let i = 0; i < 32; i++) out[to + i] = d * (nibbles(view, at + 2, i) - 8);
    },
  },
  Q4_1: {
    elements: 32,
    bytes: 20,
    read: (view, at, out, to) => {
      const [d, m] = [half(view, at), half(view, at + 2)];
      for (let i = 0; i < 32; i++) out[to + i] = d * nibbles(view, at + 4, i) + m;
    },
  },
  Q5_0: {
    elements: 32,
    bytes: 22,
    read: (view, at, out, to) => {
      const [d, high] = [half(view, at), view.getUint32(at + 2, true)];
      for (let i = 0; i < 32; i++) out[to + i] = d * (nibbles(view, at + 6, i, high) - 16);
    },
  },
  Q5_1: {
    elements: 32,
    bytes: 24,
    read: (view, at, out, to) => {
      const [d, m, high] = [half(view, at), half(view, at + 2), view.getUint32(at + 4, true)];
      for (let i = 0; i < 32; i++) out[to + i] = d * nibbles(view, at + 8, i, high) + m;
    },
  },
  Q8_0: {
    elements: 32,
    bytes: 34,
    read: (view, at, out, to) => {
      const d = half(view, at);
      for (let i = 0; i < 32; i++) out[to + i] = d * view.getInt8(at + 2 + i);
    },
  },
  Q2_K: {
    elements: 256,
    bytes: 84,
    read: (view, at, out, to) => {
      const [d, min] = [half(view, at + 80), half(view, at + 82)];
      for (let i = 0; i < 256; i++) {
        const scale = view.getUint8(at + (i >> 4));
        // 128 values share 32 bytes, two bits each.
        const quant = (view.getUint8(at + 16 + (i >> 7) * 32 + (i & 31)) >> (2 * ((i >> 5) & 3))) & 3;
        out[to + i] = Math.fround(d * (scale & 0xf)) * quant - Math.fround(min * (scale >> 4));
      }
    },
  },
  Q3_K: {
    elements: 256,
    bytes: 110,
    read: (view, at, out, to) => {
      const d = half(view, at + 108);
      for (let i = 0; i < 256; i++) {
        const j = i >> 4;
        const low = view.getUint8(at + 96 + (j % 8));
        const high = (view.getUint8(at + 104 + (j % 4)) >> (2 * (j >> 2))) & 3;
        const scale = ((j < 8 ? low & 0xf : low >> 4) | (high << 4)) - 32;
        const two = (view.getUint8(at + 32 + (i >> 7) * 32 + (i & 31)) >> (2 * ((i >> 5) & 3))) & 3;
        const third = (view.getUint8(at + (i & 31)) >> (i >> 5)) & 1;
        out[to + i] = Math.fround(d * scale) * (two - (third === 0 ? 4 : 0));
      }
    },
  },
  Q4_K: {
    elements: 256,
    bytes: 144,
    read: (view, at, out, to) => {
      const [d, min] = [half(view, at), half(view, at + 2)];
      for (let i = 0; i < 256; i++) {
        const [scale, offset] = scaleAndMin(view, at + 4, i >> 5);
        const byte = view.getUint8(at + 16 + (i >> 6) * 32 + (i & 31));
        const quant = (i & 32) === 0 ? byte & 0xf : byte >> 4;
        out[to + i] = Math.fround(d * scale) * quant - Math.fround(min * offset);
      }
    },
  },
  Q5_K: {
    elements: 256,
    bytes: 176,
    read: (view, at, out, to) => {
      const [d, min] = [half(view, at), half(view, at + 2)];
      for (let i = 0; i < 256; i++) {
        const [scale, offset] = scaleAndMin(view, at + 4, i >> 5);
        const byte = view.getUint8(at + 48 + (i >> 6) * 32 + (i & 31));
        const high = (view.getUint8(at + 16 + (i & 31)) >> (i >> 5)) & 1;
        const quant = ((i & 32) === 0 ? byte & 0xf : byte >> 4) | (high << 4);
        out[to + i] = Math.fround(d * scale) * quant - Math.fround(min * offset);
      }
    },
  },
  Q6_K: {
    elements: 256,
    bytes: 210,
    read: (view, at, out, to) => {
      const d = half(view, at + 208);
      for (let i = 0; i < 256; i++) {
        const [part, inner] = [i >> 7, i & 127];
        const byte = view.getUint8(at + part * 64 + (inner & 63));
        const low = inner < 64 ? byte & 0xf : byte >> 4;
        const high = (view.getUint8(at + 128 + part * 32 + (inner & 31)) >> (2 * (inner >> 5))) & 3;
        const scale = Math.fround(d * view.getInt8(at + 192 + (i >> 4)));
        out[to + i] = scale * ((low | (high << 4)) - 32);
      }
    },
  },
} satisfies Record<string, Block>;
