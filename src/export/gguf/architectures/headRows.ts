/**
 * The rows of queries or keys as llama.cpp has them for LLaMA (`permute` of convert_hf_to_gguf.py): the two halves of a head
 * that turn together next to each other, (half, pair) as (pair, half).
 * @param data [rows, columns]
 */
export function headRows(data: Float32Array, rows: number, heads: number): Float32Array {
  const columns = data.length / rows;
  const pairs = rows / heads / 2;
  const out = new Float32Array(data.length);
  for (let row = 0; row < rows; row++) {
    const head = Math.floor(row / (2 * pairs));
    const within = row % (2 * pairs);
    const [half, pair] = [Math.floor(within / pairs), within % pairs];
    out.set(data.subarray(row * columns, (row + 1) * columns), (head * 2 * pairs + pair * 2 + half) * columns);
  }
  return out;
}
