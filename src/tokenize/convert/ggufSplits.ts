import { gpt2Split } from '../gpt2Split.js';

const contraction = "(?i:'s|'t|'re|'ve|'m|'ll|'d)";
const spaces = String.raw`\s*[\r\n]+|\s+(?!\S)|\s+`;
const llama3 = String.raw`${contraction}|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|${spaces}`;
const qwen2 = String.raw`${contraction}|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|${spaces}`;
const qwen35 = String.raw`${contraction}|[^\r\n\p{L}\p{N}]?[\p{L}\p{M}]+|\p{N}| ?[^\s\p{L}\p{M}\p{N}]+[\r\n]*|${spaces}`;
const seedCoder = String.raw`${contraction}|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}\r\n]+|${spaces}`;

/** Words whose capitals are at their beginning, or that are all capitals. @param end what may follow a word */
const cased = (end: string) => {
  const [large, small] = [String.raw`[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]`, String.raw`[\p{Ll}\p{Lm}\p{Lo}\p{M}]`];
  const before = String.raw`[^\r\n\p{L}\p{N}]?`;
  return `${before}${large}*${small}+${end}|${before}${large}+${small}*${end}`;
};
const tekken = String.raw`${cased('')}|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n/]*|${spaces}`;
const gpt4o = String.raw`${cased(`${contraction}?`)}|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|${spaces}`;

const digit = String.raw`\p{N}`;
const deepseekCoder = [String.raw`[\r\n]`, String.raw`\s?\p{L}+`, String.raw`\s?\p{P}+`, '[一-龥ࠀ-一가-퟿]+', digit];
const deepseekLetters =
  'A-Za-zµÀ-ÖØ-öø-ƺƼ-ƿǄ-ʓʕ-ʯͰ-ͳͶͷͻ-ͽͿΆΈ-ΊΌΎ-ΡΣ-ϵϷ-ҁҊ-ԯԱ-ՖႠ-ჅᎠ-Ᏽᏸ-ᏽᲐ-ᲺᲽ-Ჿᴀ-ᴫᵫ-ᵷᵹ-ᶚḀ-ἕἘ-Ἕἠ-ὅὈ-Ὅὐ-ὗὙὛὝὟ-ώᾀ-ᾴᾶ-ᾼιῂ-ῄῆ-ῌῐ-ΐῖ-Ίῠ-Ῥῲ-ῴῶ-ῼℂℇℊ-ℓℕℙ-ℝℤΩℨK-ℭℯ-ℴℹℼ-ℿⅅ-ⅉⅎↃↄⰀ-ⱻⱾ-ⳤⳫ-ⳮⳲⳳꙀ-ꙭꚀ-ꚛꜢ-ꝯꝱ-ꞇꞋ-ꞎꭰ-ꮿﬀ-ﬆﬓ-ﬗＡ-Ｚａ-ｚ𐐀-𐑏𐒰-𐓓𐓘-𐓻𐲀-𐲲𐳀-𐳲𑢠-𑣟𞤀-𞥃';
const deepseekLlm = [
  String.raw`[\r\n]`,
  String.raw`\s?[${deepseekLetters}]+`,
  String.raw`\s?[!-/:-~！-／：-～‘-‟　-。]+`,
  String.raw`\s+$`,
  '[一-龥ࠀ-一가-퟿]+',
  String.raw`\p{N}+`,
];
const deepseekV3 = [
  String.raw`\p{N}{1,3}`,
  '[一-龥぀-ゟ゠-ヿ]+',
  String.raw`[!"#$%&'()*+,\-./:;<=>?@\[\\\]^_${'`'}{|}~][A-Za-z]+|[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+| ?[\p{P}\p{S}]+[\r\n]*|${spaces}`,
];

/** How a vocabulary of byte-level BPE is to be used. */
export interface GgufSplit {
  /** Each cuts what those before it have left; what matches is a piece, and so is what lies between. */
  readonly patterns: readonly string[];
  /** A piece that is a token is that token, whatever its merges make of it. */
  readonly ignoreMerges: boolean;
  /** Whether texts begin with the BOS token where the file does not say. */
  readonly addsBos: boolean;
}

const split = (patterns: readonly string[], own: Partial<GgufSplit> = {}): GgufSplit => ({
  patterns,
  ignoreMerges: false,
  addsBos: false,
  ...own,
});

/** Splits by the names in `tokenizer.ggml.pre` (llama.cpp, src/llama-vocab.cpp), each with all names that it goes by. */
const families: readonly (readonly [names: string, split: GgufSplit])[] = [
  ['gpt-2 default phi-2 olmo mpt jais trillion gigachat mellum exaone4 a.x-4.0 granite-docling', split([gpt2Split])],
  ['smollm starcoder refact command-r codeshell exaone minerva-7b', split([digit, gpt2Split])],
  [
    'llama-bpe llama3 llama-v3 falcon3 falcon-h1 pixtral midm-2.0 lfm2 jina-v5-nano',
    split([llama3], { ignoreMerges: true, addsBos: true }),
  ],
  ['dbrx smaug-bpe glm4 chatglm-bpe', split([llama3])],
  ['qwen2 deepseek-r1-qwen kormo f2llmv2 megrez stablelm2 hunyuan solar-open grok-2', split([qwen2])],
  ['qwen35', split([qwen35])],
  ['seed-coder', split([seedCoder])],
  ['tekken', split([tekken], { ignoreMerges: true, addsBos: true })],
  ['gpt-4o llama4 kanana2 talkie minimax-m2', split([gpt4o])],
  ['deepseek-llm', split(deepseekLlm)],
  ['deepseek-coder', split(deepseekCoder)],
  ['deepseek-v3 hunyuan-dense joyai-llm', split(deepseekV3)],
];

/** The splits by their first names. */
export const ggufSplitNames: readonly string[] = families.map(([names]) => names.split(' ')[0]!);
const splits = new Map(families.flatMap(([names, one]) => names.split(' ').map((name) => [name, one] as const)));

/**
 * How texts are cut for the vocabulary of a GGUF file, by `tokenizer.ggml.pre`. transformers 5.24 has the same patterns for the
 * names that it knows (integrations/gguf) and takes GPT-2's for every other.
 * @throws Error for a name that is not known
 */
export function ggufSplit(pre: string): GgufSplit {
  const found = splits.get(pre);
  if (found !== undefined) return found;
  throw new Error(
    `its "tokenizer.ggml.pre" is "${pre}", and how that cuts texts is not known here; known are ${ggufSplitNames.join(', ')} and what is cut as these`,
  );
}

/** The name by which llama.cpp cuts texts so; undefined where it has none. */
export function ggufSplitName(patterns: readonly string[], ignoreMerges: boolean): string | undefined {
  const isSame = (one: GgufSplit) =>
    one.ignoreMerges === ignoreMerges && one.patterns.join('\n') === patterns.join('\n');
  return families.find(([, one]) => isSame(one))?.[0].split(' ')[0];
}

const spaceOf = { s: '\\p{White_Space}', S: '\\P{White_Space}' };
const whole = new RegExp(`^(?:${gpt2Split.replace(/\\([sS])/g, (_, kind: 's' | 'S') => spaceOf[kind])})$`, 'u');

/** Whether GPT-2's split leaves a text in one piece. */
export function staysWhole(text: string): boolean {
  return whole.test(text);
}
