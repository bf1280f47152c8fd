import type { ChatRenderer } from '../../infer/chat.js';
import type { Tokenizer } from '../../tokenize/index.js';

/** Contents that no template has of its own. */
export const sentinels = ['qzxj7wvk', 'kvw9jxzq'] as const;

/** How a template ends an assistant's turn. */
export interface TurnEnd {
  /** All that it writes after each of them, white space too. */
  readonly tail: string;
  /** What of that tells that the turn is over: the first special token, or where none is, the text without white space around it. */
  readonly mark: string;
}

/** Both are empty where a template ends no turn. @throws DiffoError where it refuses the simplest conversation */
export function turnEnd(renderer: ChatRenderer, tokenizer: Pick<Tokenizer, 'encodePlain' | 'decode'>): TurnEnd {
  const [content] = sentinels;
  const first = [
    { role: 'user', content: 'a' },
    { role: 'assistant', content },
  ];
  const more = [...first, { role: 'user', content: 'a' }, { role: 'assistant', content: 'b' }];
  const [last, among] = [first, more].map((messages) => {
    const text = renderer.render(messages);
    return text.slice(text.lastIndexOf(content) + content.length);
  }) as [string, string];
  const tail = among.startsWith(last) ? last : commonTokens(tokenizer, last, among);
  const trimmed = tail.trim();
  const [id] = trimmed === '' ? [] : tokenizer.encodePlain(trimmed);
  const isSpecial = id !== undefined && tokenizer.decode([id], { skipSpecialTokens: true }) === '';
  const token = isSpecial ? tokenizer.decode([id]) : '';
  return { tail, mark: token !== '' && trimmed.startsWith(token) ? token : trimmed };
}

/** What two texts begin with, in whole tokens: letters that they happen to share are none. */
function commonTokens(
  { encodePlain, decode }: Pick<Tokenizer, 'encodePlain' | 'decode'>,
  first: string,
  second: string,
): string {
  const [a, b] = [encodePlain(first), encodePlain(second)];
  const differing = a.findIndex((id, i) => id !== b[i]);
  const text = decode(differing < 0 ? a : a.slice(0, differing));
  return first.startsWith(text) ? text : '';
}
