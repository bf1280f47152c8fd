import { gzipSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { bundle } from './page.js';

describe('the bundle of diffora/browser', async () => {
  const { code, metafile } = await bundle();
  const text = new TextDecoder().decode(code);

  it('imports nothing but onnxruntime-web, when a device is opened', () => {
    const outside = Object.entries(metafile.inputs).flatMap(([file, { imports }]) =>
      imports.filter(({ external }) => external).map(({ path }) => `${file} ${path}`),
    );
    expect(outside.sort()).toEqual([
      'src/runtime/loadOnnxWeb.ts onnxruntime-web/wasm',
      'src/runtime/loadOnnxWeb.ts onnxruntime-web/webgpu',
    ]);
  });

  it('needs nothing that Node alone has', () => {
    expect(text).not.toMatch(/\bBuffer\.|\brequire\(|\b__dirname\b/);
    // The environment is looked at where there is one.
    expect(text.match(/\bprocess\.\w+/g)).toEqual(['process.env']);
  });

  it('has under 400 KB, compressed; minified it has under 500 KB', () => {
    const compressed = gzipSync(code).length;
    console.log(`diffora/browser: ${code.length} bytes minified, ${compressed} compressed`);
    expect(compressed).toBeLessThan(200_000);
    expect(code.length).toBeLessThan(500_000);
  });
});
