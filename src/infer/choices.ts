import type { Decoder, DecoderState } from './decoder.js';

/**
 * Log-likelihoods Σ log p(token | tokens before it) of several continuations of one prompt. The prompt is read once, and what
 * the continuations begin with alike is read once too.
 * @param prompt at least one id
 * @param choices at least one id each
 */
export async function choiceLikelihoods(
  decoder: Decoder,
  prompt: readonly number[],
  choices: readonly (readonly number[])[],
): Promise<number[]> {
  const sums = choices.map(() => 0);
  // Choices of `members` agree in their first `depth` ids, which `state` holds.
  const follow = async (logits: Float32Array, state: DecoderState, members: readonly number[], depth: number) => {
    const total = logSumExp(logits);
    const groups = new Map<number, number[]>();
    for (const member of members) {
      const id = choices[member]![depth];
      if (id === undefined) continue;
      sums[member]! += logits[id]! - total;
      groups.set(id, [...(groups.get(id) ?? []), member]);
    }
    for (const [id, group] of groups) {
      const longer = group.filter((member) => choices[member]!.length > depth + 1);
      if (longer.length === 0) continue;
      const next = await decoder.next(state, [id]);
      await follow(next.logits, next.state, longer, depth + 1);
    }
  };
  const { logits, state } = await decoder.next(decoder.emptyState, prompt);
  await follow(logits, state, [...choices.keys()], 0);
  return sums;
}

function logSumExp(values: Float32Array): number {
  let highest = Number.NEGATIVE_INFINITY;
  for (const value of values) if (value > highest) highest = value;
  let sum = 0;
  for (const value of values) sum += Math.exp(value - highest);
  return highest + Math.log(sum);
}
