import type { ChatMessage } from '../../infer/chat.js';

declare module '../../data/types.js' {
  interface Example {
    /** Preferences: answers to the turns of `conversation`, and what was thought of them. */
    readonly judged?: JudgedAnswers | JudgedAnswer;
  }
}

/** Two answers to the same, one of which is preferred. */
export interface JudgedAnswers {
  readonly chosen: ChatMessage;
  readonly rejected: ChatMessage;
}

/** An answer of which it is known whether it is a good one. */
export interface JudgedAnswer {
  readonly answer: ChatMessage;
  readonly isDesirable: boolean;
}

/** What rows tell: which of two answers is preferred, or whether an answer is a good one. */
export type JudgedForm = 'pairs' | 'labels';

export function isPair(judged: JudgedAnswers | JudgedAnswer): judged is JudgedAnswers {
  return 'chosen' in judged;
}
