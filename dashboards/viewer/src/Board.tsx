/** A board: its controls, its panels on the grid, its heartbeat, and whether it may be believed. */
import { dateTimeFormat, setTimeZoneResolver } from '@grafana/data';
import { lazy, Suspense, useCallback, useEffect, useLayoutEffect, useMemo, useRef, useState } from 'react';
import { ApiError, BOARD_CHANGED, get, republished, serverNow } from './api';
import { arranged, ready } from './board';
import { fill, type Scope } from './formats';
import { PanelFrame } from './PanelFrame';
import { PAPER, usePrinting } from './print';
import { type Beat, FRESHNESS, type Freshness, freshnessOf, freshnessPanel, usePanelData } from './query';
import { refreshMs, timeRange } from './time';
import type { BoardModel, Panel, QueryState } from './types';
import { setSearch, useAddress } from './url';
import { carriedOver, corrected, fromAddress, resolveVariables, type Values, type VariableState } from './variables';

/** Pickers weigh a third of the page, and a wall has none. */
const Controls = lazy(() => import('./Controls'));

const ROW = 30;
/** Height of a row on a screen of 1080 lines below which figures are smaller than a wall needs. */
const LEAST = 26;
const GAP = 8;
const RETRY_MS = 5000;
/** Height of the line above a printed board. */
const TITLE = 32;

/** `inTurn`: one of a playlist, where the board before stays when this one can't be had. */
export function Board({ uid, inTurn }: { uid: string; inTurn?: boolean }) {
  const { board, problem, known } = useBoard(uid);
  // A person who asked for this board sees that it is not there; a wall keeps what it shows.
  if (problem && (!board || (known && !inTurn))) {
    return <div className="gulou-page-error">{problem}</div>;
  }
  return board ? <Loaded key={board.uid} board={board} problem={problem} /> : null;
}

interface Held {
  board?: BoardModel;
  /** Why the wanted board is not the one that is shown. */
  problem?: string;
  /** The server answered that it has no such board, or that this reader may not see it. */
  known?: boolean;
}

function useBoard(uid: string): Held {
  const [held, setHeld] = useState<Held>({});
  useEffect(() => {
    let current = true;
    let loading = false;
    let timer: ReturnType<typeof setTimeout> | undefined;
    const load = () => {
      if (loading) {
        return;
      }
      loading = true;
      get<{ dashboard: BoardModel }>(`/api/dashboards/uid/${encodeURIComponent(uid)}`)
        .then(({ dashboard }) => current && setHeld({ board: ready(dashboard) }))
        .catch((error: unknown) => {
          if (!current) {
            return;
          }
          const known = error instanceof ApiError;
          const problem = known ? `看板 ${uid}：${error.message}` : `服务器无应答，看板 ${uid} 打不开，正在重试…`;
          setHeld((old) => ({ board: old.board, problem, known }));
          if (!known) {
            timer = setTimeout(load, RETRY_MS);
          }
        })
        .finally(() => {
          loading = false;
        });
    };
    load();
    window.addEventListener(BOARD_CHANGED, load);
    return () => {
      current = false;
      clearTimeout(timer);
      window.removeEventListener(BOARD_CHANGED, load);
    };
  }, [uid]);
  // The board before stays until the next one is here: a playlist must not flash.
  return held;
}

function Loaded({ board, problem }: { board: BoardModel; problem?: string }) {
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
  const { states: variables, problem: unsettled } = useVariables(board, search, range, beat);
  const unknown = [...new Set((variables ?? []).flatMap((v) => v.unknown ?? []))];
  const scope = useScope(board, variables, range, zone);
  const [closed, setClosed] = useState<Record<string, boolean>>({});
  const panels = useMemo(() => {
    const all = variables ? arranged(board, variables, closed) : [];
    const one = all.find((p) => String(p.id) === only);
    return one ? [{ ...one, gridPos: { x: 0, y: 0, w: 24, h: 24 } }] : all;
  }, [board, variables, closed, only]);
  const printing = usePrinting();
  const pulse = useMemo(() => freshnessPanel(board.panels ?? []), [board]);
  const { onData, trust: told } = useTrust(zone);
  const fault = problem ?? unsettled;
  const trust = fault ? { stale: true, reason: fault } : told;
  useEffect(() => {
    document.title = `${board.title} · 鼓楼`;
  }, [board.title]);

  return (
    <div className={`gulou-board${kiosk ? ' kiosk' : ''}`} data-stale={trust.stale || undefined}>
      {printing && <h1 className="gulou-print-title">{[board.title, rangeText(range, zone), ...(variables ?? []).filter((v) => v.model.hide !== 2).map((v) => `${v.model.label || v.model.name} ${[v.choice.text].flat().join('、')}`)].join(' · ')}</h1>}
      {!kiosk && !printing && (
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
      {scope && pulse && !unknown.length && <Pulse panel={pulse} scope={scope} beat={beat} onData={onData} />}
      {unknown.length > 0 && (
        <div className="gulou-page-error" role="alert">
          {unknown.join(' ')}
        </div>
      )}
      {/* Figures of a place that is not there would be zeros, and zeros look like good news. */}
      {scope && !unknown.length && (
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

function rangeText(range: Scope['range'], timeZone: string): string {
  return [range.from, range.to].map((at) => dateTimeFormat(at.valueOf(), { timeZone, format: 'YYYY-MM-DD HH:mm' })).join(' — ');
}

/** Asks at every beat whether the board may be believed, whichever of its panels are in sight. */
function Pulse({ panel, scope, beat, onData }: { panel: Panel; scope: Scope; beat: Beat; onData: OnData }) {
  const state = usePanelData({ panel, scope, beat, width: 1000, active: true });
  useEffect(() => onData(FRESHNESS, state), [state, onData]);
  useEffect(() => () => onData(FRESHNESS), [onData]);
  return null;
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

interface Settled {
  states?: VariableState[];
  /** Why they could not be had; asked again until they are. */
  problem?: string;
}

function useVariables(board: BoardModel, search: URLSearchParams, range: Scope['range'], beat: Beat): Settled {
  const [settled, setSettled] = useState<Settled>({});
  const asked = [...search].filter(([k]) => k.startsWith('var-')).map(([k, v]) => `${encodeURIComponent(k)}=${encodeURIComponent(v)}`).join('&');
  // A variable is asked again when another changes; by time only if it says so.
  const timely = (board.templating?.list ?? []).some((v) => v.refresh === 2 || v.type === 'interval');
  const when = timely ? `${range.raw.from}|${range.raw.to}` : '';
  const latest = useRef({ range, beat });
  latest.current = { range, beat };
  const before = useRef<{ asked: Values; states: VariableState[] }>({ asked: {}, states: [] });
  useEffect(() => {
    const abort = new AbortController();
    let timer: ReturnType<typeof setTimeout>;
    const wanted = fromAddress(new URLSearchParams(asked));
    const carried = carriedOver(before.current.states, before.current.asked, wanted);
    const load = () =>
      resolveVariables(board, wanted, carried, latest.current.range, latest.current.beat.refreshMs, abort.signal)
        .then((next) => {
          setSettled((old) => (!old.problem && old.states && sameStates(old.states, next) ? old : { states: next }));
          if (next.some((s) => s.error)) {
            timer = setTimeout(load, RETRY_MS);
            return;
          }
          // The address follows what was settled, so that it can be handed on.
          const now = corrected(wanted, next, carried);
          before.current = { asked: now, states: next };
          if (carried.length) {
            setSearch(Object.fromEntries(carried.map((name) => [`var-${name}`, now[name]])), true);
          }
        })
        .catch((failure: unknown) => {
          if (!abort.signal.aborted && !republished(failure)) {
            const problem = failure instanceof Error ? failure.message : String(failure);
            setSettled((old) => ({ ...old, problem: `${problem}，正在重试…` }));
            timer = setTimeout(load, RETRY_MS);
          }
        });
    void load();
    return () => {
      abort.abort();
      clearTimeout(timer);
    };
  }, [board, asked, when]);
  return settled;
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
    () => chosen && { ...chosen, range, timeZone: zone, title: board.title, uid: board.uid, version: board.version, search: () => new URLSearchParams(window.location.search) },
    [chosen, range, zone, board]
  );
}

type OnData = (key: string, state?: QueryState) => void;

/** Whether the board may be believed: its own freshness query, and whether anybody answers. */
function useTrust(zone: string): { onData: OnData; trust: Freshness } {
  const [trust, setTrust] = useState<Freshness>({ stale: false, reason: '' });
  const seen = useRef(new Map<string, QueryState>());
  const onData = useCallback<OnData>(
    (key, state) => {
      if (!state) {
        // Out of sight or off the board: what it last said may no longer be true.
        seen.current.delete(key);
      } else if (!state.loading) {
        seen.current.set(key, state);
      }
      const next = judged(seen.current, zone);
      setTrust((old) => (old.stale === next.stale && old.reason === next.reason ? old : next));
    },
    [zone]
  );
  return { onData, trust };
}

function judged(seen: Map<string, QueryState>, timeZone: string): Freshness {
  const away = [...seen.values()].filter((s) => s.away);
  if (away.length) {
    const oldest = Math.min(...away.map((s) => s.at ?? Infinity));
    const since = Number.isFinite(oldest) ? `，画面停在 ${dateTimeFormat(oldest, { timeZone, format: 'MM-DD HH:mm:ss' })}` : '';
    return { stale: true, reason: `${away[0].error ?? ''}${since}` };
  }
  const pulse = seen.get(FRESHNESS);
  return pulse ? freshnessOf(pulse) : { stale: false, reason: '' };
}

interface GridProps {
  panels: Panel[];
  fit: boolean;
  scope: Scope;
  beat: Beat;
  onData: OnData;
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
  const printing = usePrinting();
  const rows = Math.max(...panels.map((p) => p.gridPos.y + p.gridPos.h), 1);
  const room = printing ? PAPER.height - TITLE : size.height;
  const fitted = (room + GAP) / rows - GAP;
  // A long board pressed into one screen cannot be read from across a room: it shows its first screen instead.
  const legible = fitted >= LEAST * Math.min(room / 1080, 1);
  // On paper, what is nearly one page is made one: a wall torn in two is no picture.
  const fits = printing ? rows * (ROW + GAP) <= PAPER.height * 1.2 : fit && legible;
  const tall = fits ? Math.max(fitted, 12) : ROW;
  const wide = printing ? PAPER.width : size.width;
  const column = (wide + GAP) / 24;
  const shifts = useMemo(() => (printing ? pageShifts(panels, tall + GAP) : undefined), [printing, panels, tall]);
  const place = (p: Panel) => ({
    left: p.gridPos.x * column,
    top: p.gridPos.y * (tall + GAP) + (shifts?.get(p) ?? 0),
    width: Math.max(p.gridPos.w * column - GAP, 1),
    height: p.gridPos.h * (tall + GAP) - GAP,
  });
  const bottom = Math.max(...panels.map((p) => place(p).top + place(p).height), 0);
  return (
    <div ref={box} className="gulou-grid" style={{ height: bottom, width: printing ? wide : undefined }}>
      {wide > 0 &&
        panels.map((panel) => {
          const spot = place(panel);
          return (
            <div key={panel.key} className="gulou-cell" style={{ ...moved(spot, printing), width: Math.round(spot.width), height: Math.round(spot.height) }}>
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

function moved({ left, top }: { left: number; top: number }, printing: boolean): React.CSSProperties {
  const [x, y] = [Math.round(left), Math.round(top)];
  // Browsers do not break into pages what a transform moves.
  return printing ? { left: x, top: y } : { transform: `translate(${x}px, ${y}px)` };
}

/** How far each panel moves down on paper, so that the edge of no page runs through it. */
function pageShifts(panels: Panel[], unit: number): Map<Panel, number> {
  const found = new Map<Panel, number>();
  const sorted = [...panels].sort((a, b) => a.gridPos.y - b.gridPos.y);
  let shift = 0;
  let pageEnd = PAPER.height - TITLE;
  for (let i = 0; i < sorted.length; ) {
    const start = sorted[i].gridPos.y;
    let end = start;
    const band: Panel[] = [];
    // A band is what no horizontal cut can part; a row's heading stays with what is below it.
    while (i < sorted.length && (!band.length || sorted[i].gridPos.y < end || band[band.length - 1].type === 'row')) {
      band.push(sorted[i]);
      end = Math.max(end, sorted[i].gridPos.y + sorted[i].gridPos.h);
      i += 1;
    }
    while (start * unit + shift >= pageEnd) {
      pageEnd += PAPER.height;
    }
    if (end * unit - GAP + shift > pageEnd) {
      shift = Math.ceil(pageEnd - start * unit) + 1;
      pageEnd += PAPER.height;
    }
    band.forEach((panel) => found.set(panel, shift));
  }
  return found;
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
