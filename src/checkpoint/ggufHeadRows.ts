/**
 * The rows of queries or keys as llama.cpp has them for LLaMA (`permute` of convert_hf_to_gguf.py): the two halves of a head
 * that turn together next to each other, (half, pair) as (pair, half).
 * @param data [rows, columns], or a bias [rows]
 */
export function permuted(data: Float32Array, rows: number, heads: number): Float32Array {
  return moved(data, rows, heads, (row, place) => [row, place]);
}

/** Undoes {@link permuted}. */
export function unpermuted(data: Float32Array, rows: number, heads: number): Float32Array {
  return moved(data, rows, heads, (row, place) => [place, row]);
}

/** @param move from which row to which, for each row of transformers and its place in llama.cpp's order */
function moved(
  data: Float32Array,
  rows: number,
  heads: number,
  move: (row: number, place: number) => readonly [from: number, to: number],
): Float32Array {
  const columns = data.length / rows;
  const pairs = rows / heads / 2;
  const out = new Float32Array(data.length);
  for (let row = 0; row < rows; row++) {
    const head = Math.floor(row / (2 * pairs));
    const within = row % (2 * pairs);
    const [half, pair] = [Math.floor(within / pairs), within % pairs];
    const [from, to] = move(row, head * 2 * pairs + pair * 2 + half);
    out.set(data.subarray(from * columns, (from + 1) * columns), to * columns);
  }
  return out;
}
