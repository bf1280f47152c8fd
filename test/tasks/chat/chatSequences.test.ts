import { cp, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { EncodedExample } from '../../../src/engine/batch.js';
import { IGNORED_LABEL } from '../../../src/engine/labels.js';
import type { ChatMessage } from '../../../src/infer/chat.js';
import { type ChatFormat, chatFormat } from '../../../src/tasks/chat/chatFormat.js';
import { type ChatSequenceOptions, chatSequences } from '../../../src/tasks/chat/chatSequences.js';
import type { Conversation } from '../../../src/tasks/chat/conversation.js';
import { chatPrompts } from '../../../src/tasks/chat/replies.js';
import { loadTokenizer, type Tokenizer } from '../../../src/tokenize/index.js';

const fixtures = join(import.meta.dirname, 'fixtures');

/** A conversation as test/oracle/kind_chat.py had transformers and TRL encode it. */
interface Case extends Conversation {
  readonly template: string;
  readonly ids: readonly number[];
  /** Tokens that TRL's training template marks: first, and the one after the last. */
  readonly learned: readonly (readonly [number, number])[];
  /** Tokens of the conversation without its last turn, ready for it. */
  readonly prompt: number;
  readonly promptIsBeginning: boolean;
}
interface Fixture {
  readonly models: Readonly<
    Record<string, { readonly tokenizer: string; readonly tokens: Readonly<Record<string, string>> }>
  >;
  readonly cases: readonly Case[];
}

const { models, cases } = JSON.parse(await readFile(join(fixtures, 'chats.json'), 'utf8')) as Fixture;

let folder: string;
const opened = new Map<string, { tokenizer: Tokenizer; format: ChatFormat }>();
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'diffora-chat-'));
  for (const [name, { tokenizer, tokens }] of Object.entries(models)) {
    const own = join(folder, name);
    await cp(join(fixtures, tokenizer), own, { recursive: true });
    await cp(join(fixtures, 'templates', `${name}.jinja`), join(own, 'chat_template.jinja'));
    await writeFile(join(own, 'tokenizer_config.json'), JSON.stringify(tokens));
    const loaded = await loadTokenizer(own);
    opened.set(name, { tokenizer: loaded, format: chatFormat(loaded, undefined) });
  }
});
afterAll(() => rm(folder, { recursive: true }));

async function encode(
  name: string,
  conversations: readonly Conversation[],
  options: Partial<ChatSequenceOptions> = {},
): Promise<{ sequences: (EncodedExample | undefined)[]; warnings: string[] }> {
  const { tokenizer, format } = opened.get(name)!;
  const warnings: string[] = [];
  const usual = { format, trainOn: 'assistant', maxLength: 4096, endTokenId: tokenizer.eosTokenId } as const;
  const examples = conversations.map((conversation, i) => ({ id: String(i + 1), text: '', conversation }));
  const warn = (message: string) => warnings.push(message);
  return { sequences: await chatSequences(tokenizer, examples, { ...usual, warn, ...options }), warnings };
}

/** Positions of the tokens that are learned. */
function learnedOf({ tokenLabels, inputIds }: EncodedExample): number[] {
  const found = [...tokenLabels!].flatMap((label, i) => (label === IGNORED_LABEL ? [] : [i + 1]));
  for (const i of found) expect(tokenLabels![i - 1]).toBe(inputIds[i]);
  return found;
}

const range = ([start, end]: readonly [number, number]) => Array.from({ length: end - start }, (_, i) => start + i);

describe.each(Object.keys(models))('conversations by the template of %s', (name) => {
  const own = cases.filter(({ template }) => template === name);

  it('have the ids of transformers', async () => {
    const { sequences } = await encode(name, own);
    expect(own.length).toBeGreaterThan(30);
    for (const [i, sequence] of sequences.entries()) expect([...sequence!.inputIds]).toEqual(own[i]!.ids);
  });

  it("learn the tokens that TRL's training template marks", async () => {
    const { sequences } = await encode(name, own);
    const { tokenizer } = opened.get(name)!;
    for (const [i, sequence] of sequences.entries()) {
      const { learned, ids } = own[i]!;
      // TRL's template of Qwen marks the line break that the prompt of an answer already ends in.
      const isBreak = (at: number) => name === 'qwen2.5' && tokenizer.decode([ids[at]!]) === '\n';
      const expected = learned.flatMap(([start, end]) => range([isBreak(start) ? start + 1 : start, end]));
      expect(learnedOf(sequence!), JSON.stringify(own[i]!.messages)).toEqual(expected);
    }
  });

  it('learn the last answer alone, and everything, where that is asked for', async () => {
    const last = (await encode(name, own, { trainOn: 'last' })).sequences;
    const all = (await encode(name, own, { trainOn: 'all' })).sequences;
    for (const [i, { ids, learned }] of own.entries()) {
      const from = learnedOf(last[i]!);
      expect(from.at(-1)).toBe(learned.at(-1)![1] - 1);
      expect(from[0]! - learned.at(-1)![0]).toBeLessThanOrEqual(1);
      expect(learnedOf(all[i]!)).toEqual(range([1, ids.length]));
    }
  });

  it('are asked as they are learned', async () => {
    const { tokenizer, format } = opened.get(name)!;
    const examples = own.map((conversation, i) => ({ id: String(i + 1), text: '', conversation }));
    const prompts = await chatPrompts({ tokenizer }, examples, {
      format,
      room: 4096,
      isAnswered: true,
      warn: () => {},
    });
    for (const [i, { ids, prompt, promptIsBeginning }] of own.entries()) {
      expect(prompts[i]).toHaveLength(prompt);
      if (promptIsBeginning) expect(prompts[i]).toEqual(ids.slice(0, prompt));
    }
  });
});

const turns = (...contents: readonly string[]): ChatMessage[] =>
  contents.map((content, i) => ({ role: i % 2 === 0 ? 'user' : 'assistant', content }));
const system: ChatMessage = { role: 'system', content: 'be kind' };

describe('conversations that are too long', () => {
  const lengthOf = async (messages: readonly ChatMessage[]) =>
    (await encode('chatml', [{ messages }])).sequences[0]!.inputIds.length;
  const long = [system, ...turns('one '.repeat(30), 'first', 'two', 'second', 'three', 'third')];

  it('lose whole turns at their front, but for what the system says', async () => {
    const shorter = [system, ...turns('two', 'second', 'three', 'third')];
    const maxLength = await lengthOf(shorter);
    const { sequences, warnings } = await encode('chatml', [{ messages: long }, { messages: shorter }], { maxLength });
    expect(sequences[0]!.inputIds).toEqual(sequences[1]!.inputIds);
    expect(warnings).toEqual([
      `of 2 chats, with at most ${maxLength} tokens each, 1 have lost turns at their front; see --max-length.`,
    ]);
    // One token less, and another question goes.
    const least = await encode('chatml', [{ messages: long }], { maxLength: maxLength - 1 });
    expect(least.sequences[0]!.inputIds).toHaveLength(await lengthOf([system, ...turns('three', 'third')]));
  });

  it('lose the beginning of their last question, and never a token of the answer', async () => {
    const messages = turns('one '.repeat(30), 'the answer');
    const whole = (await encode('chatml', [{ messages }])).sequences[0]!;
    const { sequences, warnings } = await encode('chatml', [{ messages }], { maxLength: 20 });
    expect(sequences[0]!.inputIds).toEqual(whole.inputIds.slice(-20));
    expect(learnedOf(sequences[0]!)).toHaveLength(learnedOf(whole).length);
    expect(warnings[0]).toContain('1 the beginning of their last question');
  });

  it('are left out where the last answer alone is longer, and said to be', async () => {
    const rows = [{ messages: turns('one', 'the answer '.repeat(9)) }, { messages: turns('one', 'two') }];
    const { sequences, warnings } = await encode('chatml', rows, { maxLength: 20 });
    expect(sequences.map((one) => one === undefined)).toEqual([true, false]);
    expect(warnings[0]).toContain('1 are left out, their last answer alone being longer');
  });
});

describe('what is learned of a conversation', () => {
  it('is no answer of weight 0, as OpenAI has it', async () => {
    const [first, second, third, fourth] = turns('one', 'two', 'three', 'four') as [
      ChatMessage,
      ChatMessage,
      ChatMessage,
      ChatMessage,
    ];
    const weighed = [first, { ...second, weight: 0 }, third, fourth];
    const { sequences } = await encode('chatml', [{ messages: weighed }, { messages: [first, second, third, fourth] }]);
    const last = (await encode('chatml', [{ messages: [first, second, third, fourth] }], { trainOn: 'last' }))
      .sequences;
    expect(learnedOf(sequences[0]!)).toEqual(learnedOf(last[0]!));
    expect(learnedOf(sequences[1]!).length).toBeGreaterThan(learnedOf(last[0]!).length);
    await expect(encode('chatml', [{ messages: [first, { ...second, weight: 0 }] }])).rejects.toThrow(
      'Row 1: every answer has the weight 0, so that nothing is learned. Remove it.',
    );
  });

  it('is nothing after the last answer', async () => {
    const [ended, open] = (await encode('chatml', [{ messages: turns('a', 'b') }, { messages: turns('a', 'b', 'c') }]))
      .sequences;
    expect(open!.inputIds).toEqual(ended!.inputIds);
  });

  it('is a plain text with the token that ends it', async () => {
    const { tokenizer } = opened.get('mistral')!;
    const { sequences, warnings } = await encode(
      'mistral',
      [{ plain: 'the river' } as never, { plain: 'a '.repeat(40) } as never],
      {
        maxLength: 20,
      },
    );
    expect([...sequences[0]!.inputIds]).toEqual([...tokenizer.encode('the river').ids, tokenizer.eosTokenId]);
    expect(learnedOf(sequences[0]!)).toEqual(range([1, sequences[0]!.inputIds.length]));
    expect(warnings[0]).toContain('1 are plain texts that have lost their end');
  });

  it('is told by row where the template refuses it', async () => {
    await expect(
      encode('gemma', [{ messages: turns('a', 'b') }, { messages: [system, ...turns('a', 'b')] }]),
    ).rejects.toThrow('Row 2: The chat template cannot be used: System role not supported.');
  });
});

/** A format of another template on the tokenizer of ChatML. */
const formatOf = (template: string) => chatFormat(opened.get('chatml')!.tokenizer, { template });

describe('templates that show turns otherwise than alone', () => {
  const spelt = ({ inputIds, tokenLabels }: EncodedExample) => {
    const { tokenizer } = opened.get('chatml')!;
    const ids = [...tokenLabels!].flatMap((label, i) => (label === IGNORED_LABEL ? [] : [inputIds[i + 1]!]));
    return tokenizer.decode(ids);
  };

  it('are learned by where the content stands', async () => {
    // The last question carries the number of turns, as Mistral's carries tools.
    const template =
      "{% for m in messages %}{% if m['role'] == 'user' %}U{% if loop.index >= messages | length - 1 %}{{ messages | length }}{% endif %}:{{ m['content'] }};" +
      "{% else %}A:{{ m['content'] }}<|im_end|>{% endif %}{% endfor %}";
    const format = formatOf(template);
    expect(format.end).toEqual({ tail: '<|im_end|>', mark: '<|im_end|>' });
    const { sequences } = await encode('chatml', [{ messages: turns('one', 'two', 'three', 'four') }], { format });
    expect(spelt(sequences[0]!)).toBe('two<|im_end|>four<|im_end|>');
  });

  it('learn no text that stands at the end of a conversation alone as the end of each turn', async () => {
    const template =
      "{% for m in messages %}{{ '<|im_start|>' + m['role'] + '\n' + m['content'] + '<|im_end|>\n' }}{% endfor %}" +
      "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% else %}{{ '<|endoftext|>' }}{% endif %}";
    const format = formatOf(template);
    expect(format.end).toEqual({ tail: '<|im_end|>\n', mark: '<|im_end|>' });
    const { sequences } = await encode('chatml', [{ messages: turns('one', 'two', 'three', 'four') }], { format });
    expect(spelt(sequences[0]!)).toBe('two<|im_end|>\nfour<|im_end|>\n<|endoftext|>');
  });

  it('end in the token that ends a text where they end no turn by a mark', async () => {
    const format = formatOf("{% for m in messages %}{{ m['role'] + ': ' + m['content'] + '\n' }}{% endfor %}");
    expect(format).toMatchObject({ end: { mark: '' }, stopTokenIds: [], stopWords: [] });
    const { sequences } = await encode('chatml', [{ messages: turns('one', 'two') }], { format });
    expect(spelt(sequences[0]!)).toBe('assistant: two\n<|im_end|>');
  });

  it('are stopped by a word where their mark is several tokens', () => {
    const format = formatOf(
      "{% for m in messages %}{{ '[' + m['role'] + '] ' + m['content'] + ' [over]\n' }}{% endfor %}",
    );
    expect(format).toMatchObject({
      end: { tail: ' [over]\n', mark: '[over]' },
      stopTokenIds: [],
      stopWords: ['[over]'],
    });
    expect(opened.get('llama3')!.format).toMatchObject({ stopTokenIds: [5], stopWords: [] });
  });
});
