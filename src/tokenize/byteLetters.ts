/** The letters that stand for bytes in GPT-2's vocabulary, by byte (encoder.py, bytes_to_unicode). */
export const letterOfByte: readonly string[] = (() => {
  const printable = (byte: number) => (byte >= 33 && byte <= 126) || (byte >= 161 && byte <= 172) || byte >= 174;
  let others = 0;
  return Array.from({ length: 256 }, (_, byte) => String.fromCharCode(printable(byte) ? byte : 256 + others++));
})();

const byteOfLetter: ReadonlyMap<string, number> = new Map(letterOfByte.map((letter, byte) => [letter, byte]));

/** The UTF-8 bytes of a text, each as its letter. */
export function byteLetters(text: string): string {
  return Array.from(new TextEncoder().encode(text), (byte) => letterOfByte[byte]!).join('');
}

/** Whether a token is written in these letters alone. */
export function isInByteLetters(token: string): boolean {
  return Array.from(token).every((letter) => byteOfLetter.has(letter));
}

/** The text that a token in these letters spells; undefined where it spells no whole characters. */
export function textOfByteLetters(token: string): string | undefined {
  const bytes = Uint8Array.from(token, (letter) => byteOfLetter.get(letter) ?? 0xff);
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    return undefined;
  }
}
