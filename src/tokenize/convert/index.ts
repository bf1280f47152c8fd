export { convertedTokenizer } from './convertedTokenizer.js';
export { type GgufTokenizerFields, ggufTokenizer } from './gguf.js';
export { llamaTokenizer } from './sentencePiece.js';
