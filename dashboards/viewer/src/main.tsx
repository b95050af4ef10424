/** The page of the board server. */
import './before';

import { ThemeContext } from '@grafana/data';
import { GlobalStyles, PortalContainer } from '@grafana/ui';
import { useEffect, useMemo } from 'react';
import { createRoot } from 'react-dom/client';
import { Board } from './Board';
import { registerTransformers } from './fields';
import { Home } from './Home';
import { Playlist } from './Playlist';
import { usePrinting } from './print';
import './style.css';
import { themeOf, themes } from './theme';
import { followLinks, setSearch, useAddress } from './url';
import { speakChinese } from './words';

/** The width that kiosk boards are designed for; a wider screen shows the same, larger. */
const DESIGN_WIDTH = 1920;
const ZOOM_FROM = 2400;

const PAGE = '@page { size: A3 landscape; margin: 10mm; }';

function Page() {
  const address = useAddress();
  const printing = usePrinting();
  const name = printing ? 'light' : themeOf(address.searchParams);
  const theme = themes[name];
  useEffect(() => {
    document.documentElement.dataset.theme = name;
    const style = document.documentElement.style;
    for (const [key, value] of Object.entries({
      canvas: theme.colors.background.canvas,
      panel: theme.colors.background.primary,
      raised: theme.colors.background.secondary,
      line: theme.colors.border.weak,
      text: theme.colors.text.primary,
      dim: theme.colors.text.secondary,
      link: theme.colors.text.link,
      font: theme.typography.fontFamily,
    })) {
      style.setProperty(`--${key}`, value);
    }
  }, [theme, name]);
  useKiosk(address.searchParams.has('kiosk') && !printing);
  const page = useMemo(() => pageOf(address.pathname), [address.pathname]);
  return (
    <ThemeContext.Provider value={theme}>
      <GlobalStyles />
      {/* In the body, so that it comes after Grafana's own rule, which has no size and no margins. */}
      <style>{PAGE}</style>
      {page}
      <PortalContainer />
    </ThemeContext.Provider>
  );
}

function pageOf(path: string) {
  const [, board] = /^\/d\/([^/]+)/.exec(path) ?? [];
  const [, playlist] = /^\/playlists\/play\/([^/]+)/.exec(path) ?? [];
  if (board) {
    return <Board uid={decodeURIComponent(board)} />;
  }
  return playlist ? <Playlist uid={decodeURIComponent(playlist)} /> : <Home />;
}

function useKiosk(kiosk: boolean): void {
  useEffect(() => {
    const fit = () => {
      const wide = window.innerWidth;
      const zoom = kiosk && wide >= ZOOM_FROM ? String(wide / DESIGN_WIDTH) : '';
      document.documentElement.style.zoom = zoom;
      document.documentElement.style.setProperty('--zoom', zoom || '1');
    };
    const leave = (event: KeyboardEvent) => {
      if (event.key === 'Escape' && kiosk) {
        setSearch({ kiosk: undefined, autofitpanels: undefined });
      }
    };
    fit();
    window.addEventListener('resize', fit);
    window.addEventListener('keydown', leave);
    return () => {
      window.removeEventListener('resize', fit);
      window.removeEventListener('keydown', leave);
      document.documentElement.style.zoom = '';
    };
  }, [kiosk]);
}

registerTransformers();
followLinks();
void speakChinese().then(() => createRoot(document.getElementById('root') as HTMLElement).render(<Page />));
