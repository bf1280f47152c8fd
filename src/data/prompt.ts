import type { Example, Generation } from './types.js';

/**
 * Gives the spaces that a prompt ends in to what is written after it. `Answer: ` and `5` become `Answer:` and ` 5`: the
 * same text, but cut where tokenisers cut it, which join a space to the word that follows. What is asked in
 * generation is then what was learned from. Whoever compares texts trims them.
 *
 * @returns the generation whose prompt ends in no space, and what makes the examples fit it
 */
export function spacedPrompt(generation: Generation): {
  generation: Generation;
  follow: (example: Example) => Example;
} {
  const prompt = generation.prompt.replace(/ +$/, '');
  const space = generation.prompt.slice(prompt.length);
  const spaced = (texts: readonly string[]) => texts.map((text) => space + text);
  const follow = ({ references, choices, ...example }: Example): Example => ({
    ...example,
    ...(references === undefined ? {} : { references: spaced(references) }),
    ...(choices === undefined ? {} : { choices: spaced(choices) }),
  });
  return { generation: { ...generation, prompt }, follow };
}
