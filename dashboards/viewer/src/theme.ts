/** Grafana's theme in the colours of a command centre, dark and light, with Chinese type. */
import { createTheme, type GrafanaTheme2 } from '@grafana/data';

const FAMILY =
  '"Inter", "Noto Sans SC", "Noto Sans CJK SC", "Source Han Sans SC", "PingFang SC", "HarmonyOS Sans SC", ' +
  '"Microsoft YaHei", "WenQuanYi Micro Hei", "Helvetica Neue", Arial, sans-serif';
const MONO = '"JetBrains Mono", "Noto Sans Mono CJK SC", Consolas, monospace';

const typography = { fontFamily: FAMILY, fontFamilyMonospace: MONO };

// Contrast of each text colour on `background.primary`: 14.9, 8.1, 5.5 dark; 15.8, 7.7, 5.3 light.
const dark = createTheme({
  name: 'Gulou dark',
  colors: {
    mode: 'dark',
    background: { canvas: '#070d1a', page: '#070d1a', primary: '#0e1729', secondary: '#16223b', elevated: '#16223b' },
    border: { weak: 'rgba(126, 160, 230, 0.16)', medium: 'rgba(126, 160, 230, 0.28)', strong: 'rgba(126, 160, 230, 0.42)' },
    text: { primary: '#e6ecfa', secondary: '#a3b3d1', disabled: '#8594b4', link: '#7db0ff', maxContrast: '#ffffff' },
    primary: { main: '#3d7eea', text: '#7db0ff' },
    secondary: { main: '#1a2946', shade: '#243a63', text: '#e6ecfa', contrastText: '#e6ecfa', border: 'rgba(126, 160, 230, 0.2)' },
  },
  typography,
});

const light = createTheme({
  name: 'Gulou light',
  colors: {
    mode: 'light',
    background: { canvas: '#eef2f8', page: '#eef2f8', primary: '#ffffff', secondary: '#f4f7fb', elevated: '#ffffff' },
    border: { weak: 'rgba(24, 50, 100, 0.14)', medium: 'rgba(24, 50, 100, 0.26)', strong: 'rgba(24, 50, 100, 0.4)' },
    text: { primary: '#14213d', secondary: '#47536e', disabled: '#5f6b85', link: '#1f5fd0', maxContrast: '#000000' },
    primary: { main: '#1f5fd0', text: '#1f5fd0' },
  },
  typography,
});

export const themes: Record<'dark' | 'light', GrafanaTheme2> = { dark, light };

export function themeOf(search: URLSearchParams): 'dark' | 'light' {
  const asked = search.get('theme') ?? localStorage.getItem('gulou.theme');
  return asked === 'light' ? 'light' : 'dark';
}
