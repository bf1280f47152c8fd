import { existsSync } from 'node:fs';
import { openDevice } from '../src/runtime/devices/openDevice.js';

/** The driver of Vulkan in software that Debian's chromium carries. */
const software = '/usr/lib/chromium/vk_swiftshader_icd.json';

const { VK_ICD_FILENAMES, VK_DRIVER_FILES } = process.env;
if (VK_ICD_FILENAMES === undefined && VK_DRIVER_FILES === undefined && existsSync(software)) {
  // Read when the first session with WebGPU is opened, by this process or one that it starts.
  process.env.VK_ICD_FILENAMES = software;
}

/**
 * True where WebGPU runs: in software by chromium's driver and Debian's libvulkan1, or on a GPU where the environment names
 * its driver. Elsewhere tests of it are skipped, and counted so.
 */
export const hasWebgpu: boolean = await openDevice('webgpu').then(
  () => true,
  () => false,
);
