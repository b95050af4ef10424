import { cpSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { defineConfig, type Plugin } from 'vite';

const here = (path: string) => fileURLToPath(new URL(path, import.meta.url));

/** Grafana's components fetch icons and fonts at run time; only those the page uses are shipped. */
function assets(): Plugin {
  const names = [
    'angle-double-left', 'angle-down', 'angle-left', 'angle-right', 'angle-up', 'arrow-down', 'arrow-up', 'bars', 'calendar-alt',
    'check', 'clock-nine', 'copy', 'download-alt', 'ellipsis-v', 'exclamation-circle', 'exclamation-triangle',
    'external-link-alt', 'eye', 'favorite', 'filter', 'history', 'info-circle', 'link', 'minus', 'pause', 'play',
    'search', 'search-minus', 'spinner', 'step-backward', 'sync', 'times', 'times-circle', 'question-circle',
    'bug', 'folder', 'apps', 'presentation-play', 'monitor', 'document-info', 'angle-double-down',
    'angle-double-right', 'corner-down-right-alt', 'save', 'home-alt', 'brackets-curly', 'clipboard-alt', 'list-ul',
  ];
  return {
    name: 'grafana-assets',
    writeBundle(options) {
      // Grafana's components measure their figures in Inter; only its Latin part is needed.
      for (const [weight, name] of [['400', 'Regular'], ['500', 'Medium']]) {
        cpSync(
          here(`./node_modules/@fontsource/inter/files/inter-latin-${weight}-normal.woff2`),
          `${options.dir}/public/fonts/inter/Inter-${name}.woff2`
        );
      }
      const from = here('./node_modules/@grafana/ui/dist/public/img/icons');
      for (const kind of ['unicons', 'mono', 'solid', 'custom']) {
        for (const name of names) {
          try {
            cpSync(`${from}/${kind}/${name}.svg`, `${options.dir}/public/build/img/icons/${kind}/${name}.svg`);
          } catch {
            // Most names exist in one of the folders only.
          }
        }
      }
    },
  };
}

export default defineConfig({
  base: '/',
  define: { 'process.env.NODE_ENV': '"production"', global: 'globalThis' },
  resolve: {
    alias: [
      // The code editor is half of Grafana's components by weight, and a wall never edits.
      { find: /^react-monaco-editor$/, replacement: here('./src/stubs/empty.ts') },
      { find: /^monaco-editor.*$/, replacement: here('./src/stubs/empty.ts') },
      { find: /.*\/ReactMonacoEditor\.mjs$/, replacement: here('./src/stubs/empty.ts') },
    ],
  },
  esbuild: { jsx: 'automatic', legalComments: 'none' },
  plugins: [assets()],
  build: {
    outDir: 'dist',
    emptyOutDir: true,
    target: 'es2022',
    assetsInlineLimit: 0,
    sourcemap: false,
    chunkSizeWarningLimit: 6000,
    commonjsOptions: { transformMixedEsModules: true },
  },
});
