/** Replaces characters, and short groups of them, as a file says. */
export type CharsMap = (text: string) => string;

/**
 * SentencePiece's table of characters (`precompiled_charsmap`): the length of a trie in bytes (uint32, little-endian), the
 * trie as a double array of uint32 units (darts-clone), and the replacements, each ended by a zero byte. Applied as Python's
 * tokenizers do (spm_precompiled, `normalize_string`): to each grapheme of fewer than six bytes as a whole, else to its characters one
 * by one; what is found is the shortest beginning that the trie holds, and it stands for the whole.
 *
 * @param base64 null or empty: nothing is replaced
 * @throws Error where it is cut or its trie leads out of it
 */
export function readCharsMap(base64: unknown): CharsMap {
  if (base64 === null || base64 === undefined || base64 === '') return (text) => text;
  if (typeof base64 !== 'string') throw new Error('its precompiled_charsmap is not a text');
  const bytes = decoded(base64);
  const view = new DataView(bytes.buffer);
  const trieBytes = bytes.length < 4 ? 0 : view.getUint32(0, true);
  if (trieBytes < 4 || trieBytes % 4 !== 0 || trieBytes > bytes.length - 4)
    throw new Error('its precompiled_charsmap is cut or damaged');
  const units = Uint32Array.from({ length: trieBytes / 4 }, (_, i) => view.getUint32(4 + 4 * i, true));
  const replacements = bytes.subarray(4 + trieBytes);
  const known = new Map<string, string | undefined>();
  const replaced = (part: string): string | undefined => {
    if (known.has(part)) return known.get(part);
    const found = shortestPrefix(units, utf8.encode(part));
    const made = found === undefined ? undefined : textAt(replacements, found);
    known.set(part, made);
    return made;
  };
  return (text) => {
    let made = '';
    for (const { segment } of graphemes.segment(text)) {
      const isShort = segment.length === 1 || utf8.encode(segment).byteLength < 6;
      const whole = isShort ? replaced(segment) : undefined;
      if (whole !== undefined) made += whole;
      else for (const letter of segment) made += replaced(letter) ?? letter;
    }
    return made;
  };
}

const utf8 = new TextEncoder();
const graphemes = new Intl.Segmenter('en', { granularity: 'grapheme' });

/** The value of the shortest beginning of `key` that the trie holds. */
function shortestPrefix(units: Uint32Array, key: Uint8Array): number | undefined {
  const unitAt = (position: number): number => {
    const unit = units[position];
    if (unit === undefined) throw new Error('the trie of its precompiled_charsmap is damaged');
    return unit;
  };
  let position = offset(unitAt(0));
  for (const byte of key) {
    if (byte === 0) return undefined;
    position ^= byte;
    const unit = unitAt(position);
    if ((unit & 0x800000ff) >>> 0 !== byte) return undefined;
    position ^= offset(unit);
    if ((unit >>> 8) & 1) return unitAt(position) & 0x7fffffff;
  }
  return undefined;
}

function offset(unit: number): number {
  return (unit >>> 10) << ((unit & 0x200) >>> 6);
}

/** @throws Error for what is no base64 */
function decoded(base64: string): Uint8Array<ArrayBuffer> {
  try {
    return Uint8Array.from(atob(base64), (letter) => letter.charCodeAt(0));
  } catch {
    throw new Error('its precompiled_charsmap is cut or damaged');
  }
}

function textAt(replacements: Uint8Array, start: number): string {
  const end = replacements.indexOf(0, start);
  return new TextDecoder().decode(replacements.subarray(start, end < 0 ? replacements.length : end));
}
