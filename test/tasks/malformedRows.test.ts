import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { openTask } from '../../src/tasks/openTask.js';
import { errorOf, folderOf } from '../data/files.js';

/** What is wrong with a row, rows that are right, the row, what is said of it, and what else the task file has. */
type Malformed = readonly [string, readonly object[], object, string, string?];

const u = (content: unknown) => ({ role: 'user', content });
const a = (content: unknown) => ({ role: 'assistant', content });
const good = { messages: [u('hi'), a('hello')] };
const L = [0, 1].map((i) => ({ query: `q${i}`, passages: ['a', 'b'], labels: [1, 0] }));
const E = [0, 1].map((i) => ({ query: `q${i}`, passage: `p${i}` }));
const S = [0, 1].map((i) => ({ sentence1: `q${i}`, sentence2: `p${i}`, score: i / 2 }));
const C = ['x', 'x', 'y', 'y'].map((label, i) => ({ text: `t${i}`, label }));

const chats: readonly Malformed[] = [
  [
    'the assistant speaks first',
    [good],
    { messages: [a('x')] },
    'line 2: turn 1 is of the assistant, with nothing before it',
  ],
  [
    'the user speaks twice',
    [good],
    { messages: [u('x'), u('y'), a('z')] },
    'line 2: turn 2 is of the user, and so is the one before',
  ],
  [
    'the assistant speaks twice',
    [good],
    { messages: [u('x'), a('y'), a('z')] },
    'line 2: turn 3 is of the assistant, and so is the one before',
  ],
  [
    'the system speaks late',
    [good],
    { messages: [u('x'), a('y'), { role: 'system', content: 's' }] },
    'line 2: turn 3 is of the system, and the system speaks first or not at all',
  ],
  [
    'a tool that nobody called',
    [good],
    { messages: [u('x'), { role: 'tool', content: 's' }, a('y')] },
    'line 2: turn 2 is of the tool, and no turn of the assistant calls it',
  ],
  [
    'no answer',
    [good],
    { messages: [u('x')] },
    'line 2: no turn is of the assistant, so that there is nothing to learn',
  ],
  ['an empty answer', [good], { messages: [u('x'), a('')] }, 'line 2: turn 2 is an empty answer'],
  ['an answer of spaces', [good], { messages: [u('x'), a(' \n')] }, 'line 2: turn 2 is an empty answer'],
  ['an empty question', [good], { messages: [u(''), a('y')] }, 'line 2: turn 1, of the user, is empty'],
  ['a content that is null', [good], { messages: [u(null), a('y')] }, 'line 2: turn 1, of the user, has no content'],
  [
    'an answer that is null',
    [good],
    { messages: [u('x'), a(null)] },
    'line 2: turn 2, of the assistant, has no content',
  ],
  ['a content that is a number', [good], { messages: [u(3), a('y')] }, 'line 2: turn 1: the content is 3'],
  [
    'a content that is an object',
    [good],
    { messages: [u({ text: 'x' }), a('y')] },
    'line 2: turn 1: the content is {"text":"x"}',
  ],
  [
    'a picture',
    [good],
    { messages: [u([{ type: 'image_url', image_url: {} }]), a('y')] },
    'line 2: turn 1: a part of the content is of type image_url, and only texts are learned',
  ],
  ['a content without parts', [good], { messages: [u([]), a('y')] }, 'line 2: turn 1, of the user, is empty'],
  [
    'an unknown role',
    [good],
    { messages: [{ role: 'boss', content: 'x' }, a('y')] },
    'line 2: turn 1 has the unknown role "boss"',
  ],
  ['a role that is null', [good], { messages: [{ role: null, content: 'x' }, a('y')] }, 'line 2: turn 1 has no role'],
  ['no role', [good], { messages: [{ content: 'x' }, a('y')] }, 'line 2: turn 1 has no role'],
  ['turns that are texts', [good], { messages: ['x', 'y'] }, 'line 2: turn 1 is "x"'],
  ['no turns', [good], { messages: [] }, 'line 2: the conversation has no turns'],
  ['turns that are null', [good], { messages: null }, 'line 2: "messages" holds nothing'],
  [
    'turns that are a text',
    [good],
    { messages: 'x' },
    'line 2: no turn is of the assistant, so that there is nothing to learn',
  ],
  [
    'turns that are one object',
    [good],
    { messages: { role: 'user', content: 'x' } },
    'line 2: the turns are {"role":"user","content":"x"}',
  ],
  [
    'turns in broken JSON',
    [good],
    { messages: '[{"role": "user"' },
    'line 2: no turn is of the assistant, so that there is nothing to learn',
  ],
  ['tools that are a text', [good], { ...good, tools: 'search' }, 'line 2: "tools" is "search"'],
  ['a tool that is a number', [good], { ...good, tools: [3] }, 'line 2: a tool is 3'],
  [
    'calls that are a text',
    [good],
    { messages: [u('x'), { role: 'assistant', content: 'y', tool_calls: 'f' }] },
    'line 2: turn 2: "tool_calls" is "f"',
  ],
  [
    'a call that is a number',
    [good],
    { messages: [u('x'), { role: 'assistant', content: null, tool_calls: [3] }] },
    'line 2: turn 2: a call is 3',
  ],
  [
    'a call without a name',
    [good],
    { messages: [u('x'), { role: 'assistant', content: null, tool_calls: [{ function: { arguments: '{}' } }] }] },
    'line 2: turn 2: a call is {"function":{"arguments":"{}"}}',
  ],
  [
    'a call with broken arguments',
    [good],
    {
      messages: [
        u('x'),
        { role: 'assistant', content: null, tool_calls: [{ function: { name: 'f', arguments: '{"a":' } }] },
      ],
    },
    'line 2: turn 2: the arguments of "f" are no JSON: "{\\"a\\":"',
  ],
  [
    'ShareGPT: an unknown speaker',
    [good],
    {
      conversations: [
        { from: 'robot', value: 'x' },
        { from: 'gpt', value: 'y' },
      ],
    },
    'line 2: turn 1 has the unknown role "robot"',
  ],
  [
    'ShareGPT: no value',
    [good],
    { conversations: [{ from: 'human' }, { from: 'gpt', value: 'y' }] },
    'line 2: turn 1, of the user, has no content',
  ],
  [
    'ShareGPT: a value that is a number',
    [good],
    {
      conversations: [
        { from: 'human', value: 'x' },
        { from: 'gpt', value: 4 },
      ],
    },
    'line 2: turn 2: the content is 4',
  ],
  [
    'two roles for one turn',
    [good],
    { messages: [{ role: 'user', from: 'gpt', content: 'x' }, a('y')] },
    'line 2: turn 1 has the role "user", and is from "gpt"',
  ],
  ['Alpaca: an empty output', [good], { instruction: 'x', output: '' }, 'line 2: "output" is an empty answer'],
  [
    'Alpaca: an output that is null',
    [good],
    { instruction: 'x', output: null },
    'line 2: no turn is of the assistant, so that there is nothing to learn',
  ],
  ['Alpaca: an empty instruction', [good], { instruction: '', output: 'y' }, 'line 2: "instruction" is empty'],
  [
    'Alpaca: an instruction that is a list',
    [good],
    { instruction: ['x'], output: 'y' },
    'line 2: "instruction" is ["x"]',
  ],
  [
    'Alpaca: a history that is a text',
    [good],
    { instruction: 'x', output: 'y', history: 'said' },
    'line 2: "history" is "said"',
  ],
  [
    'Alpaca: a history of threes',
    [good],
    { instruction: 'x', output: 'y', history: [['a', 'b', 'c']] },
    'line 2: "history" is [["a","b","c"]]',
  ],
  [
    'Alpaca: an input that is an object',
    [good],
    { instruction: 'x', input: { a: 1 }, output: 'y' },
    'line 2: "input" is {"a":1}',
  ],
  ['an empty completion', [good], { prompt: 'x', completion: '' }, 'line 2: "completion" is an empty answer'],
  [
    'a completion that is null',
    [good],
    { prompt: 'x', completion: null },
    'line 2: no turn is of the assistant, so that there is nothing to learn',
  ],
  ['an empty prompt', [good], { prompt: '', completion: 'y' }, 'line 2: "prompt" is empty'],
  ['a completion that is an object', [good], { prompt: 'x', completion: { a: 1 } }, 'line 2: "completion" is {"a":1}'],
  [
    "a completion of the user's",
    [good],
    { prompt: [u('x')], completion: [u('y')] },
    'line 2: turn 2 is of the user, and so is the one before',
  ],
  ['keys of no form', [good], { foo: 'x' }, 'line 2: no form of a chat has the keys "foo"'],
  ['a system that is an object', [good], { ...good, system: {} }, 'line 2: "system" is {}'],
  ['an empty text', [{ text: 'a' }], { text: ' ' }, 'line 2: "text" is empty'],
  ['a text that is a number', [{ text: 'a' }], { text: 4 }, 'line 2: no form of a chat has the keys "text"'],
];
const embeddings: readonly Malformed[] = [
  [
    'the same text twice',
    E,
    { query: 'x', passage: 'x' },
    'line 3: "query" and "passage" are the same text, "x": nothing is to be learned of that',
  ],
  [
    'an empty query',
    E,
    { query: '', passage: 'x' },
    'line 3: column "query" is empty, and nothing can be learned of no text',
  ],
  ['a query that is null', E, { query: null, passage: 'x' }, 'line 3: column "query" holds no text but null.'],
  ['a passage that is null', E, { query: 'x', passage: null }, 'line 3: column "passage" is empty'],
  ['no passage', E, { query: 'x' }, 'line 3: column "passage" is empty'],
  ['a passage that is a list', E, { query: 'x', passage: ['a'] }, 'line 3: column "passage" holds no text but ["a"].'],
  [
    'a query that is an object',
    E,
    { query: { a: 1 }, passage: 'x' },
    'line 3: column "query" holds no text but {"a":1}.',
  ],
  [
    'a negative that is the query',
    E.map((r, i) => ({ ...r, negative: `n${i}` })),
    { query: 'x', passage: 'y', negative: 'x' },
    'line 3: "x" is both "query" and a negative',
  ],
  [
    'a negative that is the passage',
    E.map((r, i) => ({ ...r, negative: `n${i}` })),
    { query: 'x', passage: 'y', negative: 'y' },
    'line 3: "y" is both "passage" and a negative',
  ],
  [
    'a negative that is the passage but for a space',
    E.map((r, i) => ({ ...r, negative: `n${i}` })),
    { query: 'x', passage: 'y', negative: 'y ' },
    'line 3: "y " is both "passage" and a negative',
  ],
  [
    'a negative twice',
    E.map((r, i) => ({ ...r, negatives: [`n${i}`, `m${i}`] })),
    { query: 'x', passage: 'y', negatives: ['z', 'z'] },
    'line 3: "z" is a negative twice',
  ],
  [
    'an empty negative',
    E.map((r, i) => ({ ...r, negatives: [`n${i}`] })),
    { query: 'x', passage: 'y', negatives: [''] },
    'line 3: column "negatives" holds [""]',
  ],
  [
    'a negative that is a number',
    E.map((r, i) => ({ ...r, negatives: [`n${i}`] })),
    { query: 'x', passage: 'y', negatives: [4] },
    'line 3: column "negatives" holds [4]',
  ],
  [
    'more negatives than others have',
    E.map((r, i) => ({ ...r, negatives: [`n${i}`] })),
    { query: 'x', passage: 'y', negatives: ['a', 'b'] },
    'line 3: the row has 2 negatives, and the first row has 1',
  ],
  [
    'a passage of one row that is a negative of another',
    E.map((r, i) => ({ ...r, negative: `n${i}` })),
    { query: 'q0', passage: 'y', negative: 'p0' },
    'line 3: for "q0", "p0" is a negative, and a passage',
  ],
  [
    'a score as text',
    S,
    { sentence1: 'x', sentence2: 'y', score: 'high' },
    'line 3: column "score" is to say how near the two texts are, and "high" is not a number',
  ],
  [
    'a score in two types',
    S,
    { sentence1: 'x', sentence2: 'y', score: '0.5' },
    'line 3: column "score" holds a text, "0.5"',
  ],
  ['a score that is null', S, { sentence1: 'x', sentence2: 'y', score: null }, 'line 3: column "score" is empty'],
  [
    'a score that is true',
    S,
    { sentence1: 'x', sentence2: 'y', score: true },
    'line 3: column "score" is to say how near the two texts are, and true is not a number',
  ],
  [
    'a score that is no number',
    S,
    { sentence1: 'x', sentence2: 'y', score: 'nan' },
    'line 3: column "score" is to say how near the two texts are, and "nan" is no finite number',
  ],
  [
    'a score that is a list',
    S,
    { sentence1: 'x', sentence2: 'y', score: [1] },
    'line 3: column "score" is to say how near the two texts are, and [1] is not a number',
  ],
  [
    'a score that no cosine has',
    S,
    { sentence1: 'x', sentence2: 'y', score: 3 },
    'line 3: the score is 3, and CosineSimilarityLoss learns cosines, from -1 to 1',
    'loss: CosineSimilarityLoss\n',
  ],
  [
    'a score between 0 and 1 where these two are learned',
    [
      { sentence1: 'a', sentence2: 'b', score: 1 },
      { sentence1: 'c', sentence2: 'b', score: 0 },
    ],
    { sentence1: 'x', sentence2: 'y', score: 0.3 },
    'line 3: the score is 0.3, and ContrastiveLoss learns from 0 and 1',
    'loss: ContrastiveLoss\n',
  ],
  ['a class that is null', C, { text: 't', label: null }, 'line 5: column "label" is empty'],
  ['a class that is a list', C, { text: 't', label: ['x'] }, 'line 5: the label is ["x"]'],
  ['a class that is an object', C, { text: 't', label: { a: 1 } }, 'line 5: the label is {"a":1}'],
  ['a class in two types', C, { text: 't', label: 3 }, 'line 5: column "label" holds a number, 3'],
  [
    'a class that is a text, and a number elsewhere',
    [1, 1, 2, 2].map((label, i) => ({ text: `t${i}`, label })),
    { text: 't', label: '1' },
    'line 5: column "label" holds a text, "1"',
  ],
  [
    'one text in two classes',
    C,
    { text: 't0', label: 'y' },
    'line 5: the text "t0" has the class "y", and the class "x"',
  ],
  [
    'a class that is true among texts',
    C,
    { text: 't', label: true },
    'line 5: column "label" holds true or false, true',
  ],
  [
    'the same text twice, and they are said to be apart',
    [{ sentence1: 'a', sentence2: 'b', score: 1 }],
    { sentence1: 'x', sentence2: 'x', score: 0 },
    'line 2: the two texts are the same, and the score 0 says',
  ],
  [
    'a pair with two scores',
    [{ sentence1: 'a', sentence2: 'b', score: 1 }],
    { sentence1: 'a', sentence2: 'b', score: 0 },
    'line 2: for "a", "b" is of the score 0, and of the score 1',
  ],
];
const rerankers: readonly Malformed[] = [
  [
    'a score as text',
    L,
    { query: 'x', passages: ['a', 'b'], labels: ['high', 0] },
    'line 3: column "labels" is to say how relevant a passage is, and "high" is not a number',
  ],
  [
    'labels that are an object',
    L,
    { query: 'x', passages: ['a', 'b'], labels: { a: 1 } },
    'line 3: column "passages" holds a list of texts, and column "labels" holds {"a":1}',
  ],
  [
    'passages that are null',
    L,
    { query: 'x', passages: null, labels: [1] },
    'line 3: column "passages" holds no text but null.',
  ],
  [
    'a query that is a list',
    L,
    { query: ['x'], passages: ['a', 'b'], labels: [1, 0] },
    'line 3: column "query" holds no text but ["x"].',
  ],
  [
    'a query that is null',
    L,
    { query: null, passages: ['a', 'b'], labels: [1, 0] },
    'line 3: column "query" holds no text but null.',
  ],
  [
    'labels that are true and false',
    L,
    { query: 'x', passages: ['a', 'b'], labels: [true, false] },
    'line 3: column "labels" is to say how relevant a passage is, and true is not a number',
  ],
  [
    'a label that is no number',
    L,
    { query: 'x', passages: ['a', 'b'], labels: ['nan', 0] },
    'line 3: column "labels" is to say how relevant a passage is, and "nan" is no finite number',
  ],
  [
    'a number among the passages',
    L,
    { query: 'x', passages: ['a', 4], labels: [1, 0] },
    'line 3: column "passages" has 4 among its texts',
  ],
  ['no labels', L, { query: 'x', passages: ['a', 'b'] }, 'line 3: column "labels" is empty'],
];

const P = [0, 1].map((i) => ({ source: `s${i}`, target: `t${i}` }));
const T = [0, 1].map((i) => ({ translation: { en: `s${i}`, de: `t${i}` } }));

const rewritten: readonly Malformed[] = [
  ['no text to write', P, { source: 'x' }, 'line 3: the text to write is empty. Write one or remove the row.'],
  ['an empty text to write', P, { source: 'x', target: ' ' }, 'line 3: the text to write is empty.'],
  ['a text to write that is null', P, { source: 'x', target: null }, 'line 3: the text to write is empty.'],
  [
    'a text to write that is an object',
    P,
    { source: 'x', target: { a: 1 } },
    'line 3: {"a":1} is no text to be written.',
  ],
  [
    'an empty text among those to write',
    P,
    { source: 'x', target: ['a', ''] },
    'line 3: ["a",""] is no text to be written.',
  ],
  ['no texts to write', P, { source: 'x', target: [] }, 'line 3: [] is no text to be written.'],
  ['no text to read', P, { target: 'y' }, 'line 3: no column "source"'],
  ['a text to read that is null', P, { source: null, target: 'y' }, 'line 3: column "source" holds no text but null.'],
  [
    'a text to read that is a list',
    P,
    { source: ['x'], target: 'y' },
    'line 3: column "source" holds no text but ["x"].',
  ],
  ['a translation that is a text', T, { translation: 'x' }, 'line 3: "translation" is "x".'],
  ['a translation that is null', T, { translation: null }, 'line 3: "translation" is null.'],
  ['a translation into one language', T, { translation: { en: 'x' } }, 'line 3: the text to write is empty.'],
  [
    'a translation from nothing',
    T,
    { translation: { de: 'x' } },
    'line 3: "translation" has no text in en; it has "de".',
  ],
  ['a translation of nothing', T, { translation: { en: '', de: 'x' } }, 'line 3: "translation" has no text in en'],
  [
    'a language that is not there',
    T,
    T[0]!,
    'line 1: "translation" has no text in fr; it has "en", "de".',
    'sourceLanguage: fr\ntargetLanguage: de\n',
  ],
];

/** Every malformed row of chats, embeddings, rerankers and texts that are written anew that is refused: none of them may be taken silently. */
describe.each<readonly [string, readonly Malformed[]]>([
  ['chat', chats],
  ['embedding', embeddings],
  ['reranker', rerankers],
  ['seq2seq', rewritten],
])('a row of the kind %s is refused by a sentence with file and line:', (kind, cases) => {
  it.each(cases.map((one) => [one[0], one] as const))('%s', async (_, [, right, wrong, reason, more = '']) => {
    const lines = [...right, wrong].map((row) => `${JSON.stringify(row)}\n`).join('');
    const folder = await folderOf({
      't.yaml': `kind: ${kind}\ntrain: a.jsonl\ndev: a.jsonl\n${more}`,
      'a.jsonl': lines,
    });
    const { message } = await errorOf(openTask(join(folder, 't.yaml'), { warn: () => {} }));
    expect(message).toContain(`${join(folder, 'a.jsonl')}, ${reason}`);
    // What to do stands in a sentence of its own.
    expect(message).toMatch(/[.:] .+\.$/);
  });
});
