/** Bytes of a body as its Content-Transfer-Encoding says (RFC 2045, section 6); unknown ones pass unchanged. */
export function decodeTransfer(bytes: Buffer, encoding: string): Buffer {
  switch (encoding.trim().toLowerCase()) {
    case 'base64':
      // Buffer skips what is not base64, line ends among it.
      return Buffer.from(bytes.toString('latin1'), 'base64');
    case 'quoted-printable':
      return decodeQuotedPrintable(bytes.toString('latin1').replace(/[ \t]+(?=\r?\n)/g, ''));
    default:
      return bytes;
  }
}

/**
 * Text of bytes in a named character set. Mail lies about these: where the name is none that is known, or the bytes do
 * not fit it, UTF-8 is tried and then windows-1252, in which every byte means something.
 */
export function decodeCharset(bytes: Uint8Array, charset: string | undefined): string {
  if (charset !== undefined && WESTERN.test(charset)) return decodeWestern(bytes);
  for (const name of [charset, 'utf-8']) {
    // `unicode` and its kin would be UTF-16, which no mail body is.
    if (name === undefined || /^(unicode|utf-?16|ucs)/i.test(name)) continue;
    try {
      return new TextDecoder(name, { fatal: true }).decode(bytes);
    } catch {
      // Not a known name, or not such bytes: the next one may do.
    }
  }
  return decodeWestern(bytes);
}

/** Names that the WHATWG Encoding Standard takes for windows-1252. */
const WESTERN = /^(us-ascii|ascii|iso-?8859-?1|latin-?1|windows-1252|cp1252)$/i;

/** What windows-1252 has at 0x80 to 0x9f; five places are the control characters they are in Latin-1. */
const WESTERN_80_9F =
  '\u20ac\x81\u201a\u0192\u201e\u2026\u2020\u2021\u02c6\u2030\u0160\u2039\u0152\x8d\u017d\x8f' +
  '\x90\u2018\u2019\u201c\u201d\u2022\u2013\u2014\u02dc\u2122\u0161\u203a\u0153\x9d\u017e\u0178';

/** windows-1252 without TextDecoder, which gives Latin-1 for it in some releases of Node 20 to 23. */
function decodeWestern(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
    .toString('latin1')
    .replace(/[\x80-\x9f]/g, (control) => WESTERN_80_9F[control.charCodeAt(0) - 0x80]!);
}

/** A header's value with its encoded words (`=?iso-8859-1?Q?…?=`, RFC 2047) made plain. */
export function decodeHeader(bytes: Buffer): string {
  // White space between two encoded words is not part of the text (RFC 2047, section 6.2).
  const text = bytes.toString('latin1').replace(/(\?=)\s+(=\?)/g, '$1$2');
  const word = /=\?([^?\s]+)\?([bq])\?([^?]*)\?=/gi;
  if (!word.test(text)) return decodeCharset(bytes, undefined);
  return text.replace(word, (_, charset: string, encoding: string, content: string) => {
    const plain =
      encoding.toLowerCase() === 'b'
        ? Buffer.from(content, 'base64')
        : decodeQuotedPrintable(content.replaceAll('_', ' '));
    return decodeCharset(plain, charset);
  });
}

/** `=C3` to a byte, `=` at the end of a line to nothing; a lone `=` stays. */
function decodeQuotedPrintable(text: string): Buffer {
  const plain = text
    .replace(/=\r?\n/g, '')
    .replace(/=([0-9a-f]{2})/gi, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16)));
  return Buffer.from(plain, 'latin1');
}
