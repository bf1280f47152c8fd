/** How a byte-level vocabulary cuts a text before its merges: `tokenizer.ggml.pre` of a GGUF file. */
export interface GgufSplit {
  /** A pattern (of Oniguruma) whose matches are cut out, before GPT-2's own or in its place. */
  readonly pattern?: string;
  /** GPT-2's pattern is not used. */
  readonly replaces?: true;
  /** Words of the vocabulary stay whole, whatever the merges make of them. */
  readonly ignoreMerges?: true;
  /** A text begins with the first token of all, where the file does not say. */
  readonly addBosToken?: true;
}

const gpt2: GgufSplit = {};
/** Every digit by itself. */
const digits: GgufSplit = { pattern: '\\p{N}' };
const llama3Pattern =
  "(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}{1,3}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+";
const llama3: GgufSplit = { pattern: llama3Pattern, replaces: true, ignoreMerges: true, addBosToken: true };
const llama3Plain: GgufSplit = { pattern: llama3Pattern, replaces: true };
const qwen2: GgufSplit = { pattern: llama3Pattern.replace('{1,3}', ''), replaces: true };
const tekken: GgufSplit = {
  pattern:
    '[^\\r\\n\\p{L}\\p{N}]?[\\p{Lu}\\p{Lt}\\p{Lm}\\p{Lo}\\p{M}]*[\\p{Ll}\\p{Lm}\\p{Lo}\\p{M}]+|' +
    '[^\\r\\n\\p{L}\\p{N}]?[\\p{Lu}\\p{Lt}\\p{Lm}\\p{Lo}\\p{M}]+[\\p{Ll}\\p{Lm}\\p{Lo}\\p{M}]*|' +
    '\\p{N}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n/]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+',
  replaces: true,
  ignoreMerges: true,
  addBosToken: true,
};

const named = (names: readonly string[], split: GgufSplit) => names.map((name) => [name, split] as const);

/**
 * By name, as llama.cpp has them (llama-vocab.cpp, `load`); the patterns of LLaMA 3, Qwen2 and Tekken as transformers has
 * them (integrations/gguf/gguf_tokenizer_mapping.py), which also takes `default` for GPT-2's.
 */
export const ggufSplits: ReadonlyMap<string, GgufSplit> = new Map([
  ...named(['default', 'gpt-2', 'phi-2', 'mpt', 'olmo', 'jais', 'trillion', 'granite-docling', 'mellum'], gpt2),
  ...named(['smollm', 'starcoder', 'refact', 'command-r', 'codeshell', 'exaone', 'minerva-7b'], digits),
  ...named(['llama3', 'llama-v3', 'llama-bpe', 'falcon3', 'falcon-h1', 'pixtral', 'midm-2.0'], llama3),
  ...named(['dbrx', 'smaug-bpe'], llama3Plain),
  ...named(['qwen2', 'deepseek-r1-qwen', 'kormo', 'megrez', 'stablelm2', 'hunyuan'], qwen2),
  ...named(['tekken'], tekken),
]);
