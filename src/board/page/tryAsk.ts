import { messageOf, sendTo, tell } from './api.js';
import type { Answer, Message } from './tryAnswers.jsx';

/** How a text is drawn. */
export interface Drawing {
  readonly temperature: number;
  readonly maxTokens: number;
}

/** What is asked of a model. */
export type Question = Pick<Answer, 'view' | 'of' | 'asked'>;

/**
 * Asks one model, and tells what it has answered as it comes. What is stopped keeps what was written before.
 * @param chat what was said before, of a conversation
 * @returns the text that it wrote, where it writes
 */
export async function askOne(
  { view, of, asked }: Question,
  drawing: Drawing,
  chat: readonly Message[],
  signal: AbortSignal,
  put: (change: Partial<Answer>) => void,
): Promise<string | undefined> {
  const common = { id: view.id, of };
  let written: string | undefined;
  try {
    if (view.form === 'prompt' || view.form === 'conversation') {
      const { temperature, maxTokens } = drawing;
      const isChat = view.form === 'conversation';
      const how = { temperature, max_tokens: maxTokens, stream: true };
      const body = isChat
        ? { messages: [...chat, { role: 'user', content: asked.text }], ...how }
        : { prompt: asked.text, ...how };
      const path = isChat ? 'chat/completions' : 'completions';
      const response = await sendTo('/api/try/ask', { ...common, path, body }, signal);
      written = '';
      put({ text: written });
      for await (const piece of piecesOf(response)) {
        written += piece;
        put({ text: written });
      }
    } else {
      const { text, pair } = asked;
      const input =
        view.form === 'passage' ? { question: text, context: pair } : view.form === 'pair' ? { text, pair } : text;
      const body = { ...common, path: 'classify', body: { input } };
      const { data } = await tell<{ data: Readonly<Record<string, unknown>>[] }>('/api/try/ask', body, signal);
      put({ prediction: data[0]! });
    }
  } catch (error) {
    if (!signal.aborted) put({ fault: messageOf(error) });
  }
  put({ isDone: true });
  return written;
}

/** Pieces of a text as they are written. @throws Error where the model stops with one */
async function* piecesOf(response: Response): AsyncGenerator<string> {
  const reader = response.body!.pipeThrough(new TextDecoderStream()).getReader();
  let rest = '';
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return;
    const lines = `${rest}${value}`.split('\n');
    rest = lines.pop()!;
    for (const line of lines) {
      if (!line.startsWith('data: ') || line === 'data: [DONE]') continue;
      const event = JSON.parse(line.slice(6)) as {
        choices?: { text?: string; delta?: { content?: string } }[];
        error?: { message: string };
      };
      if (event.error !== undefined) throw new Error(event.error.message);
      const [choice] = event.choices ?? [];
      yield choice?.text ?? choice?.delta?.content ?? '';
    }
  }
}
