import { describe, expect, it } from 'vitest';
import type { Example } from '../../../src/data/types.js';
import { taskFromExamples } from '../../../src/tasks/taskFromExamples.js';
import type { ExampleRow } from '../../../src/tasks/taskOfRows.js';

/** The examples of rows, and what is warned of. */
async function read(rows: readonly ExampleRow[], kind?: 'chat'): Promise<readonly Example[]> {
  const task = taskFromExamples(rows, { dev: rows, kind });
  expect(task.kind.name).toBe('chat');
  return (await task.load('train')).examples;
}

/** A row twice, since one is no data. */
const one = async (row: ExampleRow, kind?: 'chat') => (await read([row, row], kind))[0]!.conversation;

const asked = [
  { role: 'user', content: 'one and one?' },
  { role: 'assistant', content: 'two' },
];
const system = { role: 'system', content: 'be brief' };

describe('forms of chats', () => {
  it.each<[string, ExampleRow]>([
    ['messages', { messages: asked }],
    [
      'messages in parts',
      {
        messages: [
          {
            role: 'user',
            content: [
              { type: 'text', text: 'one and ' },
              { type: 'text', text: 'one?' },
            ],
          },
          asked[1],
        ],
      },
    ],
    ['messages as JSON in a text', { messages: JSON.stringify(asked) }],
    [
      'messages with keys of Parquet',
      { messages: asked.map((turn) => ({ ...turn, name: null, tool_calls: null })), tools: null },
    ],
    [
      'conversations',
      {
        conversations: [
          { from: 'human', value: 'one and one?' },
          { from: 'gpt', value: 'two' },
        ],
      },
    ],
    ['an instruction', { instruction: 'one and one?', input: '', output: 'two' }],
    ['a prompt', { prompt: 'one and one?', completion: 'two' }],
    ['a prompt of turns', { prompt: [asked[0]], completion: [asked[1]] }],
  ])('tell %s as turns', async (_, row) => {
    expect(await one(row)).toEqual({ messages: asked });
  });

  it('tell what the system says, in whatever place', async () => {
    const whole = { messages: [system, ...asked] };
    expect(await one({ messages: [{ role: 'developer', content: 'be brief' }, ...asked] })).toEqual(whole);
    expect(
      await one({
        conversations: [
          { from: 'human', value: 'one and one?' },
          { from: 'gpt', value: 'two' },
        ],
        system: 'be brief',
      }),
    ).toEqual(whole);
    expect(await one({ system: 'be brief', instruction: 'one and one?', output: 'two' })).toEqual(whole);
  });

  it('tell an instruction with its input and what was said before', async () => {
    const row = { instruction: 'Translate.', input: 'chat', output: 'cat', history: [['Hello', 'Salut']] };
    expect(await one(row)).toEqual({
      messages: [
        { role: 'user', content: 'Hello' },
        { role: 'assistant', content: 'Salut' },
        { role: 'user', content: 'Translate.\nchat' },
        { role: 'assistant', content: 'cat' },
      ],
    });
  });

  it('keep tools and their calls, the arguments as an object', async () => {
    const tools = [{ type: 'function', function: { name: 'weather', parameters: {} } }];
    const call = { id: '1', type: 'function', function: { name: 'weather', arguments: '{"place": "Paris"}' } };
    const turns = [
      asked[0],
      { role: 'assistant', content: null, tool_calls: [call] },
      { role: 'tool', tool_call_id: '1', content: 'rain' },
      asked[1],
    ];
    const found = await one({ messages: turns, tools: JSON.stringify(tools) });
    expect(found).toEqual({
      messages: [
        asked[0],
        {
          role: 'assistant',
          content: null,
          tool_calls: [{ ...call, function: { name: 'weather', arguments: { place: 'Paris' } } }],
        },
        turns[2],
        asked[1],
      ],
      tools,
    });
  });

  it('tell plain texts where the kind is named', async () => {
    expect(await one({ text: 'Once upon a time.' }, 'chat')).toEqual({ plain: 'Once upon a time.' });
  });

  it('leave rows with a label to other kinds', () => {
    const rows = ['good', 'bad', 'good', 'bad'].map((label) => ({
      prompt: 'a text',
      completion: 'b',
      text: 'c',
      label,
    }));
    expect(taskFromExamples(rows).kind.name).toBe('classification');
  });
});

describe('rows that are no chats', () => {
  const turn = (role: unknown, content: unknown) => ({ role, content });
  it.each<[string, ExampleRow, string]>([
    ['no turns', { messages: [] }, 'the conversation has no turns. Add some or remove the row.'],
    ['null in their place', { messages: null }, '"messages" holds nothing. Give a list of turns'],
    ['a number in their place', { messages: 5 }, 'the turns are 5. Give a list of turns, each with role and content.'],
    ['a turn that is a text', { messages: ['hello'] }, 'turn 1 is "hello". Write an object with role and content.'],
    ['a turn that is wrong beside a prompt', { prompt: 'a', messages: [{ content: 'a' }] }, 'turn 1 has no role.'],
    ['a turn without a role', { messages: [{ content: 'a' }, asked[1]] }, 'turn 1 has no role. Known are "system"'],
    [
      'an unknown role',
      { messages: [turn('narrator', 'a'), asked[1]] },
      'turn 1 has the unknown role "narrator". Known are "system"',
    ],
    [
      'null content',
      { messages: [asked[0], turn('assistant', null)] },
      'turn 2, of the assistant, has no content. Write its text, or remove the row.',
    ],
    ['no content', { messages: [{ role: 'user' }, asked[1]] }, 'turn 1, of the user, has no content.'],
    [
      'a number as content',
      { messages: [asked[0], turn('assistant', 2)] },
      'turn 2: the content is 2. Write a text, or a list of parts of type text.',
    ],
    [
      'a picture',
      { messages: [turn('user', [{ type: 'image_url', image_url: {} }]), asked[1]] },
      'turn 1: a part of the content is of type image_url, and only texts are learned.',
    ],
    [
      'an empty answer',
      { messages: [asked[0], turn('assistant', ' \n')] },
      'turn 2 is an empty answer. Write what the assistant says, or remove the row.',
    ],
    [
      'an answer first',
      { messages: [asked[1], asked[0], asked[1]] },
      'turn 1 is of the assistant, with nothing before it. A conversation begins with the user',
    ],
    [
      'two questions in a row',
      { messages: [asked[0], asked[0], asked[1]] },
      'turn 2 is of the user, and so is the one before. Join the two into one.',
    ],
    [
      'two answers in a row',
      { messages: [...asked, asked[1]] },
      'turn 3 is of the assistant, and so is the one before. Join the two into one.',
    ],
    [
      'the system in the middle',
      { messages: [...asked, system, ...asked] },
      'turn 3 is of the system, and the system speaks first or not at all.',
    ],
    [
      'a tool that nobody called',
      { messages: [asked[0], turn('tool', 'a'), asked[1]] },
      'turn 2 is of the tool, and no turn of the assistant calls it.',
    ],
    [
      'no answer',
      { messages: [asked[0]] },
      'no turn is of the assistant, so that there is nothing to learn. Add an answer or remove the row.',
    ],
    [
      'tools in no list',
      { messages: asked, tools: { name: 'weather' } },
      '"tools" is {"name":"weather"}. Give a list of tools',
    ],
    [
      'a role of ShareGPT that is unknown',
      {
        conversations: [
          { from: 'alien', value: 'a' },
          { from: 'gpt', value: 'b' },
        ],
      },
      'turn 1 has the unknown role "alien".',
    ],
    [
      'a value of ShareGPT null',
      {
        conversations: [
          { from: 'human', value: 'a' },
          { from: 'gpt', value: null },
        ],
      },
      'turn 2, of the assistant, has no content.',
    ],
    [
      'an empty output',
      { instruction: 'a', output: '' },
      '"output" is an empty answer. Write its text, or remove the row.',
    ],
    ['an output that is a list', { instruction: 'a', output: ['b'] }, '"output" is ["b"]. Write a text.'],
    [
      'an instruction that is a number of a list',
      { instruction: ['a'], output: 'b' },
      '"instruction" is ["a"]. Write a text.',
    ],
    [
      'a history that is no pairs',
      { instruction: 'a', output: 'b', history: ['c'] },
      '"history" is ["c"]. Give a list of pairs of texts: what was said, and the answer.',
    ],
    [
      'an empty completion',
      { prompt: 'a', completion: '' },
      '"completion" is an empty answer. Write its text, or remove the row.',
    ],
    ['a completion that is null', { prompt: 'a', completion: null }, 'no turn is of the assistant'],
    ['an empty prompt', { prompt: '', completion: 'a' }, '"prompt" is empty. Write its text, or remove the row.'],
    [
      'a completion of the user',
      { prompt: [asked[0]], completion: [asked[0]] },
      'turn 2 is of the user, and so is the one before.',
    ],
    ['an empty text', { text: ' ' }, '"text" is empty. Write one, or remove the row.'],
    [
      'none of these keys',
      { question: 'a', answer: 'b' },
      'no form of a chat has the keys "question", "answer". Give messages, conversations, prompt and completion, instruction and output, or text.',
    ],
  ])('with %s are named', async (_, row, sentence) => {
    await expect(read([{ messages: asked }, row], 'chat')).rejects.toThrow(`example 2: ${sentence}`);
  });
});
