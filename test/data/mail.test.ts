import { describe, expect, it } from 'vitest';
import { htmlToText } from '../../src/data/mail/html.js';
import { mailToText } from '../../src/data/mail/mailToText.js';

const text = (lines: readonly string[], limit = 2000) => mailToText(Buffer.from(lines.join('\n'), 'latin1'), limit);

describe('mailToText', () => {
  it('keeps the subject and the body, and collapses white space', () => {
    const mail = [
      'From a@b Thu Aug 22',
      'Received: by x',
      '\tfor y',
      'SUBJECT: Two',
      ' lines',
      'To: z',
      '',
      'Hello,',
      '',
      '\tyou.',
    ];
    expect(text(mail)).toBe('Two lines. Hello, you.');
  });

  it('sets no full stop after a subject that ends with a mark, and none without a subject', () => {
    expect(text(['Subject: Really?', '', 'Yes'])).toBe('Really? Yes');
    expect(text(['To: z', '', 'Yes'])).toBe('Yes');
  });

  it('undoes quoted-printable, base64 and the character set', () => {
    const printable = [
      'Subject: s',
      'Content-Type: text/plain; charset="iso-8859-1"',
      'Content-Transfer-Encoding: Quoted-Printable',
    ];
    expect(text([...printable, '', 'caf=E9 soft=', 'ly 1=3D1 50=% '])).toBe('s. café softly 1=1 50=%');
    const base64 = Buffer.from('naïve — ok').toString('base64');
    const mail = [
      'Subject: s',
      'Content-Type: text/plain; charset=utf-8',
      'Content-Transfer-Encoding: base64',
      '',
      base64,
    ];
    expect(text(mail)).toBe('s. naïve — ok');
  });

  it('tries UTF-8, then windows-1252, where the character set is none or unknown', () => {
    expect(text(['Subject: s', '', Buffer.from('é').toString('latin1')])).toBe('s. é');
    expect(text(['Subject: s', 'Content-Type: text/plain; charset=DEFAULT', '', '\x93caf\xe9\x94'])).toBe('s. “café”');
  });

  it('decodes encoded words of the subject', () => {
    expect(text(['Subject: =?iso-8859-1?Q?=FCber_alles?= =?UTF-8?B?IOKCrA==?=', '', 'x'])).toBe('über alles €. x');
  });

  it('takes the plain part of alternatives, all text parts of a mixed mail, no attachments', () => {
    const part = (type: string, body: string) => ['--b=1', `Content-Type: ${type}`, '', body];
    const parts = [...part('text/html', '<p>rich</p>'), ...part('text/plain', 'plain'), ...part('image/gif', 'R0lGOD')];
    const mail = (kind: string) => [
      'Subject: s',
      `Content-Type: multipart/${kind};`,
      '\tboundary="b=1"',
      '',
      'old reader',
      ...parts,
      '--b=1--',
      'after',
    ];
    expect(text(mail('alternative'))).toBe('s. plain');
    expect(text(mail('mixed'))).toBe('s. rich plain');
  });

  it('takes the HTML where nothing plain is there', () => {
    expect(text(['Subject: s', 'Content-Type: text/html', '', '<b>bo</b>ld<br>next'])).toBe('s. bold next');
  });

  it('cuts at a length, never within a character', () => {
    expect(text(['', 'abcdef'], 3)).toBe('abc');
    const smile = ['Content-Type: text/plain; charset=utf-8', '', Buffer.from('ab😀').toString('latin1')];
    expect(text(smile, 3)).toBe('ab');
    expect(text(smile, 4)).toBe('ab😀');
  });

  it('survives a mail with no body, no headers, or a boundary that never comes', () => {
    expect(text(['Subject: only'])).toBe('only.');
    expect(text([''])).toBe('');
    expect(text(['Subject: s', 'Content-Type: multipart/mixed; boundary=zzz', '', 'loose text'])).toBe('s. loose text');
  });
});

describe('htmlToText', () => {
  it('drops scripts, styles and comments, and joins words that inline tags cut', () => {
    const html = '<style>p {}</style><script>if (a<b) x()</script><p>vi<!-- x -->ag<font size=2>ra</font></p><td>now';
    expect(htmlToText(html).trim().replace(/\s+/g, ' ')).toBe('viagra now');
  });

  it('makes entities plain, and leaves what is none', () => {
    expect(htmlToText('a &lt; b &amp; c&nbsp;&#65;&#x42; &eacute; &bogus; &#0;')).toBe('a < b & c AB é &bogus;  ');
  });
});
