import { execFile } from 'node:child_process';
import { readdir, readlink } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { promisify } from 'node:util';

/** A card as its driver tells of it. */
export interface Card {
  readonly name: string;
  readonly memoryBytes?: number | undefined;
  readonly driver: string;
}

const run = promisify(execFile);

/** NVIDIA's cards in the order of CUDA's numbers; none where nvidia-smi is not there. */
export async function nvidiaCards(): Promise<Card[]> {
  const query = ['--query-gpu=name,memory.total,driver_version', '--format=csv,noheader,nounits'];
  const { stdout } = await run('nvidia-smi', query, { timeout: 20_000 }).catch(() => ({ stdout: '' }));
  return cardsOf(stdout);
}

/** What nvidia-smi prints, a card a line: name, MiB, version of the driver. */
export function cardsOf(text: string): Card[] {
  return text.split('\n').flatMap((line) => {
    const [name, memory, driver] = line.split(',').map((part) => part.trim());
    if (name === undefined || memory === undefined || driver === undefined) return [];
    const mebibytes = Number(memory);
    const memoryBytes = Number.isFinite(mebibytes) ? mebibytes * 2 ** 20 : undefined;
    return [{ name, memoryBytes, driver: `NVIDIA ${driver}` }];
  });
}

/** Drivers of the display adapters that Linux knows (`amdgpu`, `i915`, …), and files of Vulkan drivers that the environment names. */
export async function graphicsDrivers(root = '/sys/class/drm'): Promise<string[]> {
  const entries = await readdir(root).catch((): string[] => []);
  const cards = entries.filter((name) => /^card\d+$/.test(name)).sort();
  const drivers = await Promise.all(
    cards.map((card) => readlink(join(root, card, 'device', 'driver')).then(basename, () => undefined)),
  );
  const named = process.env.VK_DRIVER_FILES ?? process.env.VK_ICD_FILENAMES;
  const vulkan = named === undefined ? [] : [`${basename(named)} (named by the environment)`];
  return [...new Set([...vulkan, ...drivers.filter((one) => one !== undefined)])];
}
