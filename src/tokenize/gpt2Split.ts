/** How GPT-2 cuts a text into pieces before it merges (Radford et al. 2019, encoder.py), in the syntax of tokenizer.json. */
export const gpt2Split = String.raw`'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+`;
