/** Divisors of the rotary frequencies, which LLaMA 3.1 files carry as a tensor. */
export const ropeFactorsName = 'rope_freqs.weight';

/** Undoes llama.cpp's order of rows: of each head, rows (pair, half) become (half, pair). @param data [rows, columns], or a bias [rows] */
export function unpermuted(data: Float32Array, rows: number, heads: number): Float32Array {
  const columns = data.length / rows;
  const pairs = rows / heads / 2;
  const out = new Float32Array(data.length);
  for (let row = 0; row < rows; row++) {
    const head = Math.floor(row / (2 * pairs));
    const within = row % (2 * pairs);
    const [half, pair] = [Math.floor(within / pairs), within % pairs];
    const from = head * 2 * pairs + pair * 2 + half;
    out.set(data.subarray(from * columns, (from + 1) * columns), row * columns);
  }
  return out;
}
