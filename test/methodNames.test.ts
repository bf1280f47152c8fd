import { readdirSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { expect, it } from 'vitest';
import { type AdapterMethodName, adapterMethodNames } from '../src/adapters/registry.js';

const source = resolve(import.meta.dirname, '../src');

/** Files that name a method for a reason of their own, by the names that they may say. */
const allowed: Readonly<Record<string, readonly AdapterMethodName[]>> = {
  // DiffoRA is LoRA where its matrix decides.
  'settings/schema.ts': ['lora'],
  // What is learned in a tab: it, on all modules or where a matrix decides.
  'browser/settings.ts': ['lora'],
  // Its story is the comparison with it.
  'jobs/demo.ts': ['lora'],
  // The hub's tag of adapters that PEFT loads.
  'adapters/card.ts': ['lora'],
  // llama.cpp's type of adapters.
  'export/gguf.ts': ['lora'],
};

/** Words that mean much else, and a method only where they follow that word. */
const common: readonly AdapterMethodName[] = ['head', 'full'];

const withoutComments = (text: string) => text.replace(/\/\*[\s\S]*?\*\/|^\s*\/\/.*$/gm, '');

function names(text: string, method: AdapterMethodName): boolean {
  const literal = `['"\`]${method}['"\`]`;
  return new RegExp(common.includes(method) ? `\\bmethod\\b\\W{1,6}${literal}` : literal).test(text);
}

it("a method's name stands in its own file and the registry alone", () => {
  const files = readdirSync(source, { recursive: true, encoding: 'utf8' }).filter((name) => name.endsWith('.ts'));
  const found = files.flatMap((file) => {
    const text = withoutComments(readFileSync(join(source, file), 'utf8'));
    return adapterMethodNames
      .filter((method) => file !== `adapters/methods/${method}.ts` && file !== 'adapters/registry.ts')
      .filter((method) => names(text, method) && allowed[file]?.includes(method) !== true)
      .map((method) => `${file} names ${method}`);
  });
  console.log(`files that name a method, beside ${Object.keys(allowed).length} with a reason: ${found.length}`);
  expect(found).toEqual([]);
  const homes = readdirSync(join(source, 'adapters/methods')).map((file) => file.replace(/\.ts$/, ''));
  expect(homes.sort()).toEqual([...adapterMethodNames].sort());
});
