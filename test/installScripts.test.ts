import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, it } from 'vitest';

const read = async (file: string) => JSON.parse(await readFile(join(import.meta.dirname, '..', file), 'utf8'));

// onnxruntime-node's install script downloads CUDA libraries, so that npm ci would fail without a network. npm 10 runs it
// where the lock says that there is one, which `npm install` writes there; npm 11 and 12 ask package.json.
it('no install script of another package is run, whichever npm it is', async () => {
  const { packages } = await read('package-lock.json');
  expect(packages['node_modules/onnxruntime-node']).not.toHaveProperty('hasInstallScript');
  const { allowScripts } = await read('package.json');
  for (const [path, { hasInstallScript }] of Object.entries<{ hasInstallScript?: boolean }>(packages)) {
    if (hasInstallScript) expect(allowScripts).toHaveProperty(path.replace('node_modules/', ''), false);
  }
});
