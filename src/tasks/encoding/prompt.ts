import type { Example } from '../../data/types.js';
import type { Generation } from '../kinds/kind.js';

/**
 * Gives the spaces that a prompt ends in to what is written after it. `Answer: ` and `5` become `Answer:` and ` 5`: the
 * same text, but cut where tokenisers cut it, which join a space to the word that follows. What is asked in
 * generation is then what was learned from. Whoever compares texts trims them.
 *
 * @returns the generation whose prompt ends in no space, those being its `lead`
 */
export function spacedPrompt(generation: Generation): Generation {
  const prompt = generation.prompt.replace(/ +$/, '');
  const lead = generation.prompt.slice(prompt.length);
  return lead === '' ? generation : { ...generation, prompt, lead };
}

/** An example whose texts begin with the lead of how they are asked for. */
export function withLead(example: Example, { lead }: Generation): Example {
  if (lead === undefined) return example;
  const { references, choices, ...rest } = example;
  const led = (texts: readonly string[]) => texts.map((text) => lead + text);
  return {
    ...rest,
    ...(references === undefined ? {} : { references: led(references) }),
    ...(choices === undefined ? {} : { choices: led(choices) }),
  };
}
