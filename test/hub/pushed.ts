import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { rawFile } from '../checkpoint/make.js';
import { temporaryFolder } from '../cli/run.js';
import { type PushHub, startPushHub } from './pushHub.js';

export const token = 'hf_secretOfTheTest';
export const repo = 'me/adapter';

/** A safetensors file of so many numbers. */
export const weights = (count: number) =>
  rawFile(
    JSON.stringify({ w: { dtype: 'F32', shape: [count], data_offsets: [0, 4 * count] } }),
    new Uint8Array(Float32Array.from({ length: count }, (_, i) => i).buffer),
  );

/** An adapter of three files in a folder of its own, and a hub that takes large files in parts of 3,000 bytes. */
export async function adapterAndHub() {
  const folder = await temporaryFolder();
  const hub: PushHub = await startPushHub(token, { chunk: 3_000 });
  const adapter = folder.path('adapter');
  await mkdir(adapter);
  await writeFile(join(adapter, 'adapter_config.json'), JSON.stringify({ peft_type: 'LORA' }));
  await writeFile(join(adapter, 'adapter_model.safetensors'), weights(2_000));
  await writeFile(join(adapter, 'README.md'), '# An adapter\n');
  const close = async () => {
    await hub.close();
    await folder.remove();
  };
  return { folder, hub, adapter, close };
}
