/** The address bar as the board's state: from, to, var-*, refresh, kiosk, theme, viewPanel. */
import { useSyncExternalStore } from 'react';

const listeners = new Set<() => void>();

function subscribe(listener: () => void): () => void {
  listeners.add(listener);
  window.addEventListener('popstate', listener);
  return () => {
    listeners.delete(listener);
    window.removeEventListener('popstate', listener);
  };
}

/** Path and query, read at every change. */
export function useAddress(): URL {
  const href = useSyncExternalStore(subscribe, () => window.location.href);
  return new URL(href);
}

export function go(href: string, replace = false): void {
  const target = new URL(href, window.location.href);
  if (target.href === window.location.href) {
    return;
  }
  window.history[replace ? 'replaceState' : 'pushState'](null, '', target);
  listeners.forEach((listener) => listener());
}

/** Sets query parameters; undefined removes one, an array writes it several times. */
export function setSearch(changes: Record<string, string | string[] | undefined>, replace = false): void {
  const url = new URL(window.location.href);
  for (const [key, value] of Object.entries(changes)) {
    url.searchParams.delete(key);
    if (value !== undefined) {
      (Array.isArray(value) ? value : [value]).forEach((v) => url.searchParams.append(key, v));
    }
  }
  // A bare `?kiosk` is how Grafana writes it.
  go(url.href.replace(/([?&](?:kiosk|autofitpanels))=(?=&|$)/g, '$1'), replace);
}

/** Links to other boards of this server change the page without a reload. */
export function followLinks(): void {
  document.addEventListener('click', (event) => {
    if (event.defaultPrevented || event.button !== 0 || event.metaKey || event.ctrlKey || event.shiftKey) {
      return;
    }
    const link = (event.target as Element | null)?.closest?.('a[href]') as HTMLAnchorElement | SVGAElement | null;
    const href = link?.getAttribute('href');
    if (!link || !href || link.getAttribute('target') === '_blank' || link.hasAttribute('download')) {
      return;
    }
    const url = new URL(href, window.location.href);
    if (url.origin === window.location.origin && /^\/(d\/|playlists\/play\/|$)/.test(url.pathname)) {
      event.preventDefault();
      go(carried(url).href);
    }
  });
}

/** A wall that is drilled into stays a wall: kiosk and theme go along. */
export function carried(url: URL): URL {
  const here = new URL(window.location.href).searchParams;
  for (const key of ['kiosk', 'theme', 'autofitpanels']) {
    if (here.has(key) && !url.searchParams.has(key) && url.pathname !== '/') {
      url.searchParams.set(key, here.get(key) ?? '');
    }
  }
  return url;
}
