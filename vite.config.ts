import { fileURLToPath } from 'node:url';
import { defineConfig } from 'vite';

/** The page of the board: a file of scripts and one of styles, beside the server that gives them out. */
export default defineConfig({
  root: fileURLToPath(new URL('./src/board/page', import.meta.url)),
  base: '/',
  logLevel: 'warn',
  oxc: { jsx: { runtime: 'automatic', importSource: 'preact' } },
  build: {
    outDir: fileURLToPath(new URL('./dist/board/page', import.meta.url)),
    emptyOutDir: true,
    target: 'es2022',
    assetsInlineLimit: 0,
    modulePreload: false,
    reportCompressedSize: false,
  },
});
