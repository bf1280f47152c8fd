import type { Route } from '../route.js';
import { chatCompletions } from './chatCompletions.js';
import { classify } from './classify.js';
import { completions } from './completions.js';
import { embeddings } from './embeddings.js';

/** Every path that requests are sent to with a body: a line each. */
export const routes: readonly Route[] = [chatCompletions, completions, embeddings, classify];
