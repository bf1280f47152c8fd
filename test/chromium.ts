import { existsSync } from 'node:fs';
import { type Browser, chromium } from 'playwright-core';

const executablePath = '/usr/bin/chromium';
/** A driver that computes what a graphics card would. */
const vulkan = '/usr/lib/chromium/vk_swiftshader_icd.json';

/** False where there is no browser to look with. */
export const hasChromium = existsSync(executablePath);
/** False where the browser has no WebGPU in software. */
export const hasVulkan = existsSync(vulkan);

const quiet = [
  '--no-sandbox',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
];
const gpu = [
  '--enable-unsafe-webgpu',
  '--enable-features=Vulkan',
  '--use-vulkan=swiftshader',
  '--use-webgpu-adapter=swiftshader',
];

/** A browser that asks nobody but the tests. @param webgpu by the driver in software; else without a GPU */
export function launchChromium({ webgpu = false } = {}): Promise<Browser> {
  const args = [...quiet, ...(webgpu ? gpu : ['--disable-gpu'])];
  const env = { ...process.env, ...(webgpu ? { VK_ICD_FILENAMES: vulkan } : {}) } as Record<string, string>;
  return chromium.launch({ executablePath, args, env, timeout: 0 });
}
