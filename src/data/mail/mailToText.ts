import { decodeCharset, decodeHeader, decodeTransfer } from './decode.js';
import { htmlToText } from './html.js';

/** Multipart mails inside each other deeper than this are not followed. */
const DEEPEST = 5;

/**
 * A raw mail (RFC 822, with or without mbox's `From ` line) as one line of text: `Subject. body`. Headers other than
 * the subject go; transfer encodings, character sets and HTML are undone; of parts that say the same in two ways the
 * plain one is taken; attachments go; white space is collapsed.
 *
 * @param maxCharacters length to cut at (UTF-16 units; never within a character)
 */
export function mailToText(mail: Buffer, maxCharacters: number): string {
  const { headers, body } = splitHeaders(mail);
  const subject = collapse(decodeHeader(Buffer.from(headers.get('subject') ?? '', 'latin1')));
  const content = collapse(partToText(headers, body, 0));
  const text = subject === '' ? content : collapse(`${subject}${/[.!?:]$/.test(subject) ? '' : '.'} ${content}`);
  const cut = text.slice(0, maxCharacters);
  return (/[\ud800-\udbff]$/.test(cut) ? cut.slice(0, -1) : cut).trimEnd();
}

/** Headers as latin1 text by lower-case name, the first of each; continued lines joined. */
function splitHeaders(part: Buffer): { headers: Map<string, string>; body: Buffer } {
  const text = part.toString('latin1');
  const gap = /\r?\n\r?\n/.exec(text);
  const startsEmpty = /^\r?\n/.exec(text);
  if (startsEmpty) return { headers: new Map(), body: part.subarray(startsEmpty[0].length) };
  const head = gap ? text.slice(0, gap.index) : text;
  const headers = new Map<string, string>();
  for (const line of head.replace(/\r?\n[ \t]+/g, ' ').split(/\r?\n/)) {
    const match = /^([\w-]+):\s*(.*)$/.exec(line);
    const name = match?.[1]?.toLowerCase();
    if (match && name !== undefined && !headers.has(name)) headers.set(name, match[2]!);
  }
  return { headers, body: part.subarray(gap ? gap.index + gap[0].length : part.length) };
}

function partToText(headers: Map<string, string>, body: Buffer, depth: number): string {
  const type = headers.get('content-type') ?? 'text/plain';
  const kind = /^\s*([^;\s]*)/.exec(type)?.[1]?.toLowerCase() ?? '';
  const boundary = parameter(type, 'boundary');
  if (kind.startsWith('multipart/') && boundary !== undefined && depth < DEEPEST) {
    return multipartToText(kind, boundary, body, depth);
  }
  if (kind === 'message/rfc822' && depth < DEEPEST) {
    const inner = splitHeaders(body);
    return partToText(inner.headers, inner.body, depth + 1);
  }
  if (kind.includes('/') && !kind.startsWith('text/') && !kind.startsWith('multipart/')) return '';
  const bytes = decodeTransfer(body, headers.get('content-transfer-encoding') ?? '');
  const text = decodeCharset(bytes, parameter(type, 'charset'));
  return kind === 'text/html' || /^\s*(<!doctype html|<html)\b/i.test(text) ? htmlToText(text) : text;
}

function multipartToText(kind: string, boundary: string, body: Buffer, depth: number): string {
  const sections = body.toString('latin1').split(`--${boundary}`);
  // What is before the first boundary is meant for readers without MIME; a mail that never uses it is plain text.
  if (sections.length < 2) return decodeCharset(body, undefined);
  const parts = sections
    .slice(1)
    .filter((section) => !section.startsWith('--'))
    .map((section) => splitHeaders(Buffer.from(section.replace(/^[ \t]*\r?\n/, ''), 'latin1')));
  const texts = parts.map((part) => ({
    plain: !/^\s*(text\/html|multipart\/)/i.test(part.headers.get('content-type') ?? ''),
    text: partToText(part.headers, part.body, depth + 1),
  }));
  const filled = texts.filter(({ text }) => text.trim() !== '');
  if (kind === 'multipart/alternative') return (filled.find(({ plain }) => plain) ?? filled[0])?.text ?? '';
  return filled.map(({ text }) => text).join('\n');
}

/** The value of `name=value` or `name="value"` in a header. */
function parameter(header: string, name: string): string | undefined {
  const match = new RegExp(`[;\\s]${name}\\s*=\\s*(?:"([^"]*)"|([^;\\s]+))`, 'i').exec(header);
  return match?.[1] ?? match?.[2];
}

/** Runs of white space, of control characters and of zero-width ones become one space. */
function collapse(text: string): string {
  return text.replace(/[\s\p{Cc}\u200b-\u200d\ufeff\ufffd]+/gu, ' ').trim();
}
