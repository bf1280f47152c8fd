export { type DecodeStream, decodeStream } from './decodeStream.js';
export { loadTokenizer, readTokenizer } from './loadTokenizer.js';
export type { Offset, PlacedTokens } from './offsets.js';
export type { Encoding, LimitedEncoding, Tokenizer } from './types.js';
