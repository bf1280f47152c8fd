import { join } from 'node:path';
import { writeFileAtomic } from '../files/atomic.js';
import type { LearnedTask } from '../tasks/task.js';
import type { Tokenizer } from '../tokenize/index.js';

/** Where transformers and vLLM look first. */
const CHAT_TEMPLATE_FILE = 'chat_template.jinja';

/** Writes the chat template of a task beside the files of a tokenizer, where it is not the tokenizer's own. */
export async function writeChatTemplate(folder: string, task: LearnedTask, tokenizer: Tokenizer): Promise<void> {
  const template = task.kind.chatTemplate?.(task, tokenizer);
  if (template !== undefined) await writeFileAtomic(join(folder, CHAT_TEMPLATE_FILE), template);
}

/** A tokenizer with the chat template that a task was learned by. */
export function talkingAs(task: LearnedTask, tokenizer: Tokenizer): Tokenizer {
  const chatTemplate = task.kind.chatTemplate?.(task, tokenizer);
  return chatTemplate === undefined ? tokenizer : { ...tokenizer, chatTemplate };
}
