import { mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { isMap, parseDocument } from 'yaml';
import { MODEL_CARD_FILE } from '../../adapters/peft/index.js';
import { DiffoError } from '../../errors.js';
import type { UploadFile } from '../../hub/difference.js';

/** A text that begins with metadata between two lines of dashes. */
const frontMatter = /^---\r?\n([\s\S]*?)^---[ \t]*(?:\r?\n|$)/m;

/**
 * A model card with a licence in its metadata, in the place of the one that it names.
 * @throws DiffoError for metadata that are no YAML
 */
export function withLicense(card: string, license: string, name: string): string {
  const found = frontMatter.exec(card);
  const body = found?.index === 0 ? card.slice(found[0].length) : card;
  const metadata = parseDocument(found?.index === 0 ? found[1]! : '{}');
  const [error] = metadata.errors;
  if (error !== undefined || !(isMap(metadata.contents) || metadata.contents === null)) {
    throw new DiffoError(
      `${name}: its metadata between the lines of dashes are no YAML by name${error ? ` (${error.message.split('\n')[0]})` : ''}, so that no licence can be added. Mend them.`,
    );
  }
  metadata.set('license', license);
  if (isMap(metadata.contents)) metadata.contents.flow = false;
  return `---\n${metadata.toString()}---\n${body}`;
}

/** Pushes files whose model card names a licence; the folder itself stays as it is. */
export async function licensed<T>(
  files: readonly UploadFile[],
  license: string | undefined,
  push: (files: readonly UploadFile[]) => Promise<T>,
): Promise<T> {
  if (license === undefined) return push(files);
  const folder = await mkdtemp(join(tmpdir(), 'diffora-push-'));
  try {
    const card = files.find(({ path }) => path === MODEL_CARD_FILE);
    const source = join(folder, MODEL_CARD_FILE);
    const text = card === undefined ? '' : await readFile(card.source, 'utf8');
    await writeFile(source, withLicense(text, license, card?.source ?? MODEL_CARD_FILE));
    const { size: bytes, ctimeMs: changed } = await stat(source);
    const all = [...files.filter((one) => one !== card), { path: MODEL_CARD_FILE, source, bytes, changed }];
    return await push(all.sort((a, b) => (a.path < b.path ? -1 : 1)));
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}
