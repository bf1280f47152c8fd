const float = new Float32Array(1);
const bits = new Uint32Array(float.buffer);

/** float32 as IEEE 754 binary16, to the nearest and of two nearest the even one, as NumPy rounds; infinite from 65,520 on. */
export function float16(value: number): number {
  float[0] = value;
  const [sign, size] = [(bits[0]! >>> 16) & 0x8000, bits[0]! & 0x7fff_ffff];
  if (size > 0x7f80_0000) return sign | 0x7e00;
  if (size >= 0x477f_f000) return sign | 0x7c00;
  if (size < 0x3880_0000) {
    // Below 2^-14 halves are multiples of 2^-24, which are the steps of a float32 between ½ and 1.
    float[0] = Math.abs(float[0]!) + 0.5;
    return sign | (bits[0]! - 0x3f00_0000);
  }
  const rounded = size + 0xfff + ((size >>> 13) & 1);
  return sign | ((rounded - 0x3800_0000) >>> 13);
}
