/** A board: its controls, its panels on the grid, its heartbeat, and whether it may be believed. */
import { dateTimeFormat, setTimeZoneResolver } from '@grafana/data';
import { lazy, Suspense, useCallback, useEffect, useLayoutEffect, useMemo, useRef, useState } from 'react';
import { ApiError, get, serverNow } from './api';
import { arranged, ready } from './board';
import { fill, type Scope } from './formats';
import { PanelFrame } from './PanelFrame';
import type { Beat, Freshness } from './query';
import { refreshMs, timeRange } from './time';
import type { BoardModel, Panel, QueryState } from './types';
import { useAddress } from './url';
import { fromAddress, resolveVariables, type VariableState } from './variables';

/** Pickers weigh a third of the page, and a wall has none. */
const Controls = lazy(() => import('./Controls'));

const ROW = 30;
const GAP = 8;
const RETRY_MS = 5000;

export function Board({ uid }: { uid: string }) {
  const { board, problem } = useBoard(uid);
  if (problem) {
    return <div className="gulou-page-error">{problem}</div>;
  }
  return board ? <Loaded key={board.uid} board={board} /> : null;
}

function useBoard(uid: string): { board?: BoardModel; problem?: string } {
  const [held, setHeld] = useState<{ uid: string; board?: BoardModel; problem?: string }>({ uid: '' });
  useEffect(() => {
    let current = true;
    let timer: ReturnType<typeof setTimeout> | undefined;
    const load = () =>
      get<{ dashboard: BoardModel }>(`/api/dashboards/uid/${encodeURIComponent(uid)}`)
        .then(({ dashboard }) => current && setHeld({ uid, board: ready(dashboard) }))
        .catch((error: unknown) => {
          if (!current) {
            return;
          }
          const known = error instanceof ApiError;
          setHeld({ uid, problem: known ? `看板 ${uid}：${error.message}` : '服务器无应答，正在重试…' });
          if (!known) {
            timer = setTimeout(load, RETRY_MS);
          }
        });
    void load();
    return () => {
      current = false;
      clearTimeout(timer);
    };
  }, [uid]);
  // The board before stays until the next one is here: a playlist must not flash.
  return held;
}

function Loaded({ board }: { board: BoardModel }) {
  const search = useAddress().searchParams;
  const zone = board.timezone && board.timezone !== 'browser' ? board.timezone : 'browser';
  const refresh = search.get('refresh') ?? (board.refresh || '');
  const from = search.get('from') ?? board.time?.from ?? 'now-24h';
  const to = search.get('to') ?? board.time?.to ?? 'now';
  const kiosk = search.has('kiosk') && search.get('kiosk') !== 'false';
  const only = search.get('viewPanel');
  setTimeZoneResolver(() => zone);

  const beat = useBeat(refreshMs(refresh));
  const range = useMemo(() => timeRange(from, to, zone, beat.refreshMs), [from, to, zone, beat]);
  const variables = useVariables(board, search, range, zone, beat);
  const scope = useScope(board, variables, range, zone);
  const [closed, setClosed] = useState<Record<string, boolean>>({});
  const panels = useMemo(() => {
    const all = variables ? arranged(board, variables, closed) : [];
    const one = all.find((p) => String(p.id) === only);
    return one ? [{ ...one, gridPos: { x: 0, y: 0, w: 24, h: 24 } }] : all;
  }, [board, variables, closed, only]);
  const { onData, trust } = useTrust(zone);
  useEffect(() => {
    document.title = `${board.title} · 鼓楼`;
  }, [board.title]);

  return (
    <div className={`gulou-board${kiosk ? ' kiosk' : ''}`} data-stale={trust.stale || undefined}>
      {!kiosk && (
        <Suspense fallback={<header className="gulou-controls gulou-waiting" />}>
          <Controls board={board} variables={variables ?? []} scope={scope} range={range} zone={zone} refresh={refresh} onRefresh={beat.now} />
        </Suspense>
      )}
      {trust.stale && (
        <div className="gulou-banner" role="alert">
          <b>数据已停滞</b>
          {trust.reason}
        </div>
      )}
      {scope && (
        <Grid
          panels={panels}
          fit={search.has('autofitpanels') || Boolean(only)}
          scope={scope}
          beat={beat}
          onData={onData}
          onToggle={(key, value) => setClosed((old) => ({ ...old, [key]: value }))}
        />
      )}
    </div>
  );
}

/** Beats at whole multiples of the refresh interval by the server's clock, all screens together. */
function useBeat(interval: number): Beat & { now: () => void } {
  const [beat, setBeat] = useState<Beat>({ count: 0, refreshMs: interval });
  const now = useCallback(() => setBeat((old) => ({ ...old, count: old.count + 1 })), []);
  useEffect(() => {
    setBeat((old) => (old.refreshMs === interval ? old : { count: old.count + 1, refreshMs: interval }));
    if (!interval) {
      return;
    }
    let timer: ReturnType<typeof setTimeout>;
    const next = () => {
      const wait = interval - (serverNow() % interval);
      // A beat just before the multiple would come again at once.
      timer = setTimeout(tick, wait < 30 ? wait + interval : wait);
    };
    const tick = () => {
      if (!document.hidden) {
        now();
      }
      next();
    };
    next();
    const woken = () => !document.hidden && now();
    document.addEventListener('visibilitychange', woken);
    return () => {
      clearTimeout(timer);
      document.removeEventListener('visibilitychange', woken);
    };
  }, [interval, now]);
  return useMemo(() => ({ ...beat, now }), [beat, now]);
}

function useVariables(board: BoardModel, search: URLSearchParams, range: Scope['range'], zone: string, beat: Beat): VariableState[] | undefined {
  const [states, setStates] = useState<VariableState[]>();
  const asked = [...search].filter(([k]) => k.startsWith('var-')).map(([k, v]) => `${k}=${encodeURIComponent(v)}`).join('&');
  // A variable is asked anew when another changes; by time only if it says so.
  const timely = (board.templating?.list ?? []).some((v) => v.refresh === 2 || v.type === 'interval');
  const when = timely ? `${range.raw.from}|${range.raw.to}` : '';
  const latest = useRef({ range, beat });
  latest.current = { range, beat };
  useEffect(() => {
    const abort = new AbortController();
    let timer: ReturnType<typeof setTimeout>;
    const search = new URLSearchParams(asked);
    const base = { models: board.templating?.list ?? [], timeZone: zone, title: board.title, uid: board.uid, search: () => new URLSearchParams(window.location.search) };
    const load = () =>
      resolveVariables(board, fromAddress(search), { ...base, range: latest.current.range }, latest.current.beat.refreshMs, abort.signal)
        .then((next) => {
          setStates((old) => (old && sameStates(old, next) ? old : next));
          if (next.some((s) => s.error)) {
            timer = setTimeout(load, RETRY_MS);
          }
        })
        .catch(() => undefined); // Aborted: the next effect is already asking.
    void load();
    return () => {
      abort.abort();
      clearTimeout(timer);
    };
  }, [board, asked, when, zone]);
  return states;
}

const sameStates = (a: VariableState[], b: VariableState[]): boolean => JSON.stringify(a) === JSON.stringify(b);

function useScope(board: BoardModel, variables: VariableState[] | undefined, range: Scope['range'], zone: string): Scope | undefined {
  const chosen = useMemo(
    () =>
      variables && {
        variables: Object.fromEntries(variables.map((v) => [v.model.name, v.choice])),
        options: Object.fromEntries(variables.map((v) => [v.model.name, v.options.map((o) => o.value)])),
        models: variables.map((v) => v.model),
      },
    [variables]
  );
  return useMemo(
    () => chosen && { ...chosen, range, timeZone: zone, title: board.title, uid: board.uid, search: () => new URLSearchParams(window.location.search) },
    [chosen, range, zone, board]
  );
}

/** Whether the board may be believed: its own freshness query, and whether anybody answers. */
function useTrust(zone: string): { onData: (key: string, state: QueryState, freshness?: Freshness) => void; trust: Freshness } {
  const [trust, setTrust] = useState<Freshness>({ stale: false, reason: '' });
  const seen = useRef(new Map<string, { at?: number; away: boolean; reason: string; freshness?: Freshness }>());
  const onData = useCallback(
    (key: string, state: QueryState, freshness?: Freshness) => {
      if (state.loading) {
        return;
      }
      seen.current.set(key, { at: state.at, away: Boolean(state.away), reason: state.error ?? '', freshness });
      const all = [...seen.current.values()];
      const told = all.find((s) => s.freshness?.stale)?.freshness;
      const away = all.filter((s) => s.away);
      const oldest = Math.min(...away.map((s) => s.at ?? Infinity));
      const since = Number.isFinite(oldest) ? `，画面停在 ${dateTimeFormat(oldest, { timeZone: zone, format: 'MM-DD HH:mm:ss' })}` : '';
      const next = away.length ? { stale: true, reason: `${away[0].reason}${since}` } : (told ?? { stale: false, reason: '' });
      setTrust((old) => (old.stale === next.stale && old.reason === next.reason ? old : next));
    },
    [zone]
  );
  // Panels that left the board say nothing any more.
  useEffect(() => () => seen.current.clear(), []);
  return { onData, trust };
}

interface GridProps {
  panels: Panel[];
  fit: boolean;
  scope: Scope;
  beat: Beat;
  onData: (key: string, state: QueryState, freshness?: Freshness) => void;
  onToggle: (key: string, collapsed: boolean) => void;
}

function Grid({ panels, fit, scope, beat, onData, onToggle }: GridProps) {
  const box = useRef<HTMLDivElement>(null);
  const [size, setSize] = useState({ width: 0, height: 0 });
  useLayoutEffect(() => {
    const element = box.current as HTMLDivElement;
    const measure = () => setSize({ width: element.clientWidth, height: window.innerHeight / zoomOf() - element.offsetTop - GAP });
    measure();
    const watcher = new ResizeObserver(measure);
    watcher.observe(element);
    window.addEventListener('resize', measure);
    return () => {
      watcher.disconnect();
      window.removeEventListener('resize', measure);
    };
  }, []);
  const rows = Math.max(...panels.map((p) => p.gridPos.y + p.gridPos.h), 1);
  const tall = fit ? Math.max((size.height + GAP) / rows - GAP, 12) : ROW;
  const column = (size.width + GAP) / 24;
  const place = (p: Panel) => ({
    left: p.gridPos.x * column,
    top: p.gridPos.y * (tall + GAP),
    width: Math.max(p.gridPos.w * column - GAP, 1),
    height: p.gridPos.h * (tall + GAP) - GAP,
  });
  return (
    <div ref={box} className="gulou-grid" style={{ height: rows * (tall + GAP) - GAP }}>
      {size.width > 0 &&
        panels.map((panel) => {
          const spot = place(panel);
          return (
            <div key={panel.key} className="gulou-cell" style={{ transform: `translate(${Math.round(spot.left)}px, ${Math.round(spot.top)}px)`, width: Math.round(spot.width), height: Math.round(spot.height) }}>
              {panel.type === 'row' ? (
                <Row panel={panel} scope={scope} onToggle={onToggle} />
              ) : (
                <PanelFrame panel={panel} scope={scope} beat={beat} width={Math.round(spot.width)} height={Math.round(spot.height)} onData={onData} />
              )}
            </div>
          );
        })}
    </div>
  );
}

export function zoomOf(): number {
  return Number(document.documentElement.style.zoom) || 1;
}

function Row({ panel, scope, onToggle }: { panel: Panel; scope: Scope; onToggle: GridProps['onToggle'] }) {
  const title = fill(panel.title ?? '', scope, panel.scoped, 'text');
  return (
    <button type="button" className="gulou-row" aria-expanded={!panel.collapsed} onClick={() => onToggle(panel.key as string, !panel.collapsed)}>
      <span aria-hidden>{panel.collapsed ? '▸' : '▾'}</span> {title}
    </button>
  );
}
