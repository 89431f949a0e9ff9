import { join } from 'node:path';
import { defineConfig } from 'vite';

/** Bundles the page into build/page, where src/api/page.ts finds it. JSX is Preact's, as tsconfig.json here says. */
export default defineConfig({
  root: import.meta.dirname,
  base: './',
  publicDir: false,
  build: {
    outDir: join(import.meta.dirname, '../../build/page'),
    emptyOutDir: true,
    target: 'es2022',
    modulePreload: { polyfill: false },
    assetsInlineLimit: 0, // a data: URL would need a hole in the Content-Security-Policy
    reportCompressedSize: true,
  },
});
