import { DiffoError } from '../../errors.js';
import type { ChatMessage, ChatRenderer } from '../../infer/chat.js';
import type { Conversation } from './conversation.js';
import { sentinels } from './turnEnd.js';

/** A part of a rendered conversation, in UTF-16 units. */
export interface Span {
  readonly start: number;
  readonly end: number;
}

/** A conversation as text, and where the asked turns of it lie. */
export interface RenderedTurns {
  readonly text: string;
  readonly spans: readonly Span[];
}

/**
 * Renders a conversation and finds turns in it: what the template adds to the prompt that stands before a turn, with all that
 * it writes after it. Templates need no `{% generation %}`. Where one shows earlier turns otherwise than alone, the place of the content is found by
 * what changes when another stands for it.
 *
 * @param turns positions of assistant's turns
 * @param tail what the template writes after each of them
 * @throws DiffoError where the template refuses the messages, or a turn cannot be found
 */
export function renderTurns(
  renderer: ChatRenderer,
  { messages, tools }: Conversation,
  turns: readonly number[],
  tail: string,
): RenderedTurns {
  const text = renderer.render(messages, { tools });
  const render = (some: readonly ChatMessage[], addGenerationPrompt = false) => {
    try {
      return renderer.render(some, { tools, addGenerationPrompt });
    } catch (error) {
      // A template may refuse a part of what it takes as a whole.
      if (error instanceof DiffoError) return undefined;
      throw error;
    }
  };
  const spans = turns.map((turn) => {
    const before = render(messages.slice(0, turn), true);
    const alone = render(messages.slice(0, turn + 1));
    const isPart = before !== undefined && alone !== undefined && text.startsWith(before) && text.startsWith(alone);
    if (isPart && alone.length > before.length) return { start: before.length, end: alone.length };
    const content = contentSpan(text, turn, messages, render);
    const start =
      before !== undefined && text.startsWith(before) ? Math.min(before.length, content.start) : content.start;
    return { start, end: content.end + (text.startsWith(tail, content.end) ? tail.length : 0) };
  });
  return { text, spans };
}

/** Where the content of a turn lies, by what stays the same when it is another. */
function contentSpan(
  text: string,
  turn: number,
  messages: readonly ChatMessage[],
  render: (messages: readonly ChatMessage[]) => string | undefined,
): Span {
  const [first, second] = sentinels.map((content) =>
    render(messages.map((message, i) => (i === turn ? { ...message, content } : message))),
  );
  const at = first === undefined ? -1 : first.indexOf(sentinels[0]);
  if (first !== undefined && second !== undefined && at >= 0) {
    const [before, after] = [first.slice(0, at), first.slice(at + sentinels[0].length)];
    const isSame = second === before + sentinels[1] + after;
    if (isSame && text.startsWith(before) && text.endsWith(after) && before.length + after.length < text.length) {
      return { start: before.length, end: text.length - after.length };
    }
  }
  throw new DiffoError(
    `the chat template shows turn ${turn + 1} in a way that hides where it begins and ends, so that it cannot be learned alone. ` +
      'Take --train-on all, or another template with --chat-template.',
  );
}
