import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import type { TaskFile } from '../../src/artifacts/taskFile.js';
import { type PredictInput, plainTask, readPredictInput } from '../../src/jobs/predictInput.js';
import { usualKind } from '../../src/tasks/kinds/registry.js';
import { openTask } from '../../src/tasks/openTask.js';
import { errorOf, folderOf } from '../data/files.js';

/** What task.json holds of a known task. */
async function learned(name: string): Promise<TaskFile> {
  const { kind, labels, columns, metrics, generation, maxLength = 128 } = await openTask(name, { warn: () => {} });
  const rest = { kind, labels: [...labels], columns, metrics: [...metrics], maxLength };
  return { format: 'diffora-task/1', name, ...rest, ...(generation ? { generation } : {}) };
}

const read = async (task: TaskFile, input: PredictInput) =>
  (await readPredictInput(input, task)).map(({ text, pair, ...others }) => {
    expect(Object.keys(others)).toEqual(['id']);
    return pair === undefined ? text : [text, pair];
  });
const ofFile = async (task: TaskFile, name: string, content: string) =>
  read(task, { file: join(await folderOf({ [name]: content }), name) });

describe('rows to be predicted', () => {
  const piqa = { goal: 'Boil butter', sol1: 'on a plate', sol2: 'in a jar' };
  const instruction =
    'Please choose the correct solution to the question: Boil butter\n\nSolution1: on a plate\n\n' +
    'Solution2: in a jar\n\nAnswer format: solution1/solution2';

  it('of e2e are told on a line, one for each row, be they so already', async () => {
    const rows = 'mr\n"name[Blue Spice], eatType[pub]"\nname : Cotto | near : Ely\n"name[Blue Spice], eatType[pub]"\n';
    const line = 'name : Blue Spice | Type : pub';
    const e2e = await learned('e2e');
    expect(await ofFile(e2e, 'a.csv', rows)).toEqual([line, 'name : Cotto | near : Ely', line]);
    expect(await read(e2e, { text: 'name[Blue Spice], eatType[pub]' })).toEqual([line]);
  });

  it('of e2e in another form are refused with both that are known', async () => {
    const e2e = await learned('e2e');
    const sentence =
      /"a pub" is not of the form name\[value\]\. Write attributes as "name\[.*, "name : Blue Spice \| Type/;
    const path = join(await folderOf({ 'a.csv': 'mr\na pub\n' }), 'a.csv');
    expect((await errorOf(read(e2e, { file: path }))).message).toMatch(
      new RegExp(`a\\.csv, line 2: ${sentence.source}`),
    );
    expect((await errorOf(read(e2e, { text: 'a pub' }))).message).toMatch(sentence);
  });

  it("of a commonsense set are LLM-Adapters' entries or its authors' rows, labelled or not", async () => {
    const task = await learned('piqa');
    const entry = { instruction, input: '', output: 'the correct answer is solution1', answer: 'solution1' };
    expect(await ofFile(task, 'test.json', JSON.stringify([entry, { instruction }]))).toEqual([
      instruction,
      instruction,
    ]);
    const rows = [piqa, { ...piqa, label: -1 }, { ...piqa, label: 1 }].map((row) => JSON.stringify(row));
    expect(await ofFile(task, 'valid.jsonl', rows.join('\n'))).toEqual(Array(3).fill(instruction));
    const path = join(await folderOf({ 'a.jsonl': '{"goal":"Boil butter"}\n' }), 'a.jsonl');
    expect((await errorOf(read(task, { file: path }))).message).toMatch(/only "goal", .* on a column "instruction"/);
  });

  it('of squad may be a file of its form', async () => {
    const qas = [{ id: 'a', question: 'Who?', answers: [] }];
    const content = JSON.stringify({ data: [{ paragraphs: [{ context: 'He.', qas }] }] });
    expect(await ofFile(await learned('squad'), 'a.json', content)).toEqual([['Who?', 'He.']]);
  });

  it("of one's own task are taken as they are, be its name that of a known one", async () => {
    const own = { ...(await learned('e2e')), columns: { text: 'mr', label: 'told' } };
    expect(await ofFile(own, 'a.csv', 'mr\na pub\n')).toEqual(['a pub']);
    expect(await read(plainTask(usualKind), { text: 'a', pair: 'b' })).toEqual([['a', 'b']]);
  });
});
