import type { ChatMessage } from '../../infer/chat.js';

declare module '../../data/types.js' {
  interface Example {
    /** Preferences: answers to the turns of `conversation`, and what was thought of them. */
    readonly judged?: JudgedAnswers;
  }
}

/** Two answers to the same, one of which is preferred. */
export interface JudgedAnswers {
  readonly chosen: ChatMessage;
  readonly rejected: ChatMessage;
}
