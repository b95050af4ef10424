/** Grafana's theme in the colours of a command centre, dark and light, with Chinese type. */
import { colorManipulator, createTheme, type GrafanaTheme2 } from '@grafana/data';

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

/** WCAG 2.2's least contrast of text, and a little for rounding. */
const CONTRAST = 4.6;
const STEP = 0.03;

const inks = new Map<string, string>();

/**
 * A board's colour as the theme can show it in text: its darker twin on light ground, a lighter one
 * on dark. A colour that stands out already stays as it is.
 */
export function inked(color: string, theme: GrafanaTheme2): string {
  const key = `${theme.name}|${color}`;
  let found = inks.get(key);
  if (found === undefined) {
    found = twin(theme.visualization.getColorByName(color), theme);
    inks.set(key, found);
  }
  return found;
}

function twin(color: string, theme: GrafanaTheme2): string {
  const { canvas, primary, secondary } = theme.colors.background;
  const move = theme.isDark ? colorManipulator.lighten : colorManipulator.darken;
  try {
    if (colorManipulator.decomposeColor(color).values.length > 3) {
      return color; // Half transparent: no text.
    }
    for (let by = 0; by < 1; by += STEP) {
      const ink = by ? move(color, by) : color;
      if ([canvas, primary, secondary].every((ground) => colorManipulator.getContrastRatio(ink, ground) >= CONTRAST)) {
        return ink;
      }
    }
    return theme.colors.text.primary;
  } catch {
    return color; // Not a colour this library can read, such as CSS's `var(…)`.
  }
}

/** Hues up to which a colour is alarming, and up to which it is a warning; from where it alarms again. */
const RED_TO = 24;
const AMBER_TO = 68;
const RED_FROM = 330;

/** The state a colour stands for as a shape, for those who don't see the colour. */
export function shapeOf(color: string, theme: GrafanaTheme2): '●' | '▲' | '■' {
  let rgb: number[];
  try {
    const { type, values } = colorManipulator.decomposeColor(theme.visualization.getColorByName(color));
    rgb = type.startsWith('rgb') ? values : [];
  } catch {
    rgb = [];
  }
  const [r, g, b] = rgb;
  const [high, low] = [Math.max(...rgb), Math.min(...rgb)];
  if (!rgb.length || high === low) {
    return '●';
  }
  const sector = high === r ? (g - b) / (high - low) : high === g ? 2 + (b - r) / (high - low) : 4 + (r - g) / (high - low);
  const hue = (sector * 60 + 360) % 360;
  return hue <= RED_TO || hue >= RED_FROM ? '■' : hue <= AMBER_TO ? '▲' : '●';
}
