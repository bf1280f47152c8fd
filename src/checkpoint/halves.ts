/** float32 values as float16 or bfloat16, to the nearest value and among two to the even one, as PyTorch rounds. */

const bits = (values: Float32Array) => new Uint32Array(values.buffer, values.byteOffset, values.length);

/** The upper halves of the values, rounded. */
export function toBFloat16(values: Float32Array): Uint16Array {
  const from = bits(values);
  const out = new Uint16Array(values.length);
  for (let i = 0; i < from.length; i++) {
    const x = from[i]!;
    const isNumber = (x & 0x7fffffff) <= 0x7f800000;
    out[i] = isNumber ? (x + 0x7fff + ((x >>> 16) & 1)) >>> 16 : (x >>> 16) | 0x40;
  }
  return out;
}

/** IEEE 754 binary16; what is beyond 65504 by half a step or more becomes infinite. */
export function toFloat16(values: Float32Array): Uint16Array {
  const from = bits(values);
  const out = new Uint16Array(values.length);
  for (let i = 0; i < from.length; i++) out[i] = float16(from[i]!);
  return out;
}

const single = new Float32Array(1);
const singleBits = bits(single);

/** The same of one value. */
export function halfOf(value: number): number {
  single[0] = value;
  return float16(singleBits[0]!);
}

function float16(x: number): number {
  const sign = (x >>> 16) & 0x8000;
  const magnitude = x & 0x7fffffff;
  if (magnitude > 0x7f800000) return sign | 0x7e00;
  // 65520 is half way between the largest number and the power of two after it.
  if (magnitude >= 0x477ff000) return sign | 0x7c00;
  // Normal numbers: another bias of the exponent, and 13 bits of the fraction less.
  if (magnitude >= 0x38800000) return sign | roundedShift(magnitude - 0x38000000, 13);
  // Subnormal numbers count in steps of 2⁻²⁴.
  const exponent = magnitude >>> 23;
  if (exponent < 101) return sign;
  return sign | roundedShift((magnitude & 0x7fffff) | 0x800000, 126 - exponent);
}

/** x / 2^shift to the nearest whole number, ties to the even one. */
function roundedShift(x: number, shift: number): number {
  const quotient = x >>> shift;
  const rest = x - quotient * 2 ** shift;
  const half = 2 ** (shift - 1);
  return rest > half || (rest === half && (quotient & 1) === 1) ? quotient + 1 : quotient;
}
