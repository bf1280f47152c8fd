import { DiffoError } from '../../errors.js';
import { type ChatRenderer, chatRenderer } from '../../infer/chat.js';
import type { Tokenizer } from '../../tokenize/index.js';
import { usualTemplate } from './namedTemplates.js';
import { type TurnEnd, turnEnd } from './turnEnd.js';

/** How a model is talked to: its template, and what ends its turns. */
export interface ChatFormat {
  /** Jinja. */
  readonly template: string;
  /** Whose it is: chosen for a task, the model's own, or the usual one, where there is neither. */
  readonly source: 'task' | 'model' | 'usual';
  readonly renderer: ChatRenderer;
  /** What is written after each answer; empty where the template has no such thing. */
  readonly end: TurnEnd;
  /** The mark, where it is one token. */
  readonly stopTokenIds: readonly number[];
  /** The mark, where it is several, as it is where the tokenizer does not know it. */
  readonly stopWords: readonly string[];
}

/** How a task says that its models are talked to. */
export interface ChatFacts {
  /** Where it is not the model's own. */
  readonly template?: string | undefined;
  /** Whose turns are learned. */
  readonly trainOn: TrainOn;
  /** Tokens that an answer may have. */
  readonly maxNewTokens: number;
}

/** What of a conversation is learned: every answer, the last one, or all of it. */
export type TrainOn = 'assistant' | 'last' | 'all';
/** The same as a list. */
export const trainedTurns = ['assistant', 'last', 'all'] as const satisfies readonly TrainOn[];

/** The format of a tokenizer's model, by the template of a task where it has one. */
export function chatFormat(tokenizer: Tokenizer, facts: Pick<ChatFacts, 'template'> | undefined): ChatFormat {
  const { chatTemplate: own, specialTokens } = tokenizer;
  const template = facts?.template ?? own ?? usualTemplate;
  const source = facts?.template !== undefined ? 'task' : own !== undefined ? 'model' : 'usual';
  const renderer = chatRenderer(template, specialTokens);
  const end = endOf(renderer, tokenizer);
  const ids = end.mark === '' ? [] : tokenizer.encodePlain(end.mark);
  return {
    template,
    source,
    renderer,
    end,
    stopTokenIds: ids.length === 1 ? ids : [],
    stopWords: ids.length > 1 ? [end.mark] : [],
  };
}

/** A template that refuses the simplest conversation tells with the first row why. */
function endOf(renderer: ChatRenderer, tokenizer: Tokenizer): TurnEnd {
  try {
    return turnEnd(renderer, tokenizer);
  } catch (error) {
    if (error instanceof DiffoError) return { tail: '', mark: '' };
    throw error;
  }
}
