/** Why something cannot be written as GGUF, as the second half of a sentence that begins with what it is of. */
export class Refusal extends Error {}

/** @throws Refusal */
export function refuse(reason: string): never {
  throw new Refusal(reason);
}
