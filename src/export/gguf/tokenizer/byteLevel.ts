import { isJsonObject } from '../../../files/jsonText.js';
import { letterOfByte } from '../../../tokenize/byteLetters.js';
import { pieceTypes } from '../../../tokenize/convert/sentencePieceModel.js';
import { refuse } from '../refusal.js';
import { bool, type GgufMetadata, int32s, text, texts } from '../values.js';
import { splitName } from './splitName.js';
import { mergesOf, refuseOwnMerging, tokensOf, vocabularyOf } from './tokens.js';

/** Byte-level BPE as llama.cpp's `gpt2`. @throws Refusal for one that would give other ids there */
export function byteLevelMetadata(
  description: Readonly<Record<string, unknown>>,
  model: Readonly<Record<string, unknown>>,
  rows: number,
  warn: (line: string) => void,
): GgufMetadata {
  refuseOwnMerging(model);
  warnOfNormalizer(description.normalizer, warn);
  const vocabulary = vocabularyOf(model);
  const missing = letterOfByte.findIndex((letter) => !Object.hasOwn(vocabulary, letter));
  // Without a token for the unknown, both leave such a byte out.
  if (missing >= 0 && model.unk_token) {
    refuse(
      `its vocabulary has no token for the byte ${missing} but "${String(model.unk_token)}", which llama.cpp leaves out`,
    );
  }
  const tokens = tokensOf(vocabulary, description.added_tokens, rows, () => pieceTypes.normal);
  return {
    'tokenizer.ggml.model': text('gpt2'),
    'tokenizer.ggml.pre': text(splitName(description.pre_tokenizer, model.ignore_merges === true)),
    'tokenizer.ggml.add_space_prefix': bool(false),
    'tokenizer.ggml.tokens': texts(tokens.map(({ content }) => content)),
    'tokenizer.ggml.token_type': int32s(tokens.map(({ type }) => type)),
    'tokenizer.ggml.merges': texts(mergesOf(model).map((pair) => pair.join(' '))),
  };
}

/** Qwen's NFC is the one that llama.cpp's own converter leaves out. */
function warnOfNormalizer(normalizer: unknown, warn: (line: string) => void): void {
  if (normalizer === null || normalizer === undefined) return;
  const type = isJsonObject(normalizer) ? String(normalizer.type) : '';
  if (type !== 'NFC') refuse(`its normalizer is ${JSON.stringify(normalizer).slice(0, 120)}, which GGUF cannot say`);
  warn(
    'llama.cpp does not bring texts to NFC as this tokenizer does: letters written with separate accents get other ids.',
  );
}
