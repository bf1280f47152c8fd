import { readdirSync, readFileSync } from 'node:fs';
import { cp, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { openCheckpoint } from '../../src/checkpoint/open.js';
import { type Family, taskTypes } from '../../src/models/model.js';
import { families, openModel } from '../../src/models/registry.js';
import { oraclePath } from '../fixtures.js';
import { cases, scratch, survivesBytes, survivesValues } from './harness.js';
import { mangled } from './mangle.js';

const path = scratch();
const names = readdirSync(oraclePath('families')).filter((name) => !name.includes('.'));

/** Copies a model, and says how it is opened with a head. */
async function model(name: string, folder: string): Promise<{ file: string; read: () => Promise<unknown> }> {
  await cp(oraclePath('families', name), folder, { recursive: true });
  const checkpoint = await openCheckpoint(folder);
  const family = families.find(({ modelTypes }) => modelTypes.includes(String(checkpoint.config.model_type))) as Family;
  const usual = family.describe(checkpoint);
  const taskType = taskTypes.find((one) => one in usual.heads)!;
  const read = async () => openModel(await openCheckpoint(folder), { taskType, numLabels: 2 });
  return { file: join(folder, 'config.json'), read };
}

for (const name of names) {
  const config: unknown = JSON.parse(readFileSync(oraclePath('families', name, 'config.json'), 'utf8'));
  survivesValues(`the config.json of ${name}`, mangled(config), async () => {
    const folder = path(name);
    const { file, read } = await model(name, folder);
    const readText = async (text: string) => {
      await writeFile(file, text);
      return read();
    };
    // What sets a variant apart is a setting or two.
    return { read: readText, names: [folder], count: name.includes('-') ? cases / 4 : cases };
  });
}

survivesBytes('config.json', async () => {
  const folder = path('bytes');
  const { file, read } = await model('bert', folder);
  return { path: file, read, names: [folder] };
});
