/**
 * How many tokens of a text and of its pair stay under a limit: the strategy `longest_first` of Rust's `tokenizers`
 * (tokenizers/src/utils/truncation.rs, `truncate_encodings`), which is what transformers' fast tokenizers run. It cuts
 * the longer of the two down to the shorter first, then both alike; of an odd number the one that was longer keeps
 * one more, the second text where both were equal.
 *
 * @param first number of tokens of the text, without special tokens
 * @param second the same of the pair
 * @param limit what the two may have together
 * @returns the number of tokens to keep of each
 */
export function longestFirst(first: number, second: number, limit: number): readonly [first: number, second: number] {
  if (first + second <= limit) return [first, second];
  const shorter = Math.min(first, second);
  const rest = Math.max(shorter, limit - shorter);
  let [low, high] = [shorter, rest];
  if (low + high > limit) {
    low = Math.floor(limit / 2);
    high = low + (limit % 2);
  }
  return first > second ? [high, low] : [low, high];
}
