/** One panel's data: asked at every beat, kept while the next answer is on its way. */
import { type DataFrame, rangeUtil } from '@grafana/data';
import { useEffect, useRef, useState } from 'react';
import { ApiError, askPanel, republished, serverNow } from './api';
import { transformed } from './fields';
import { fill, type Scope } from './formats';
import { panelRange } from './time';
import type { Panel, QueryState } from './types';
import { rangeMs, valuesOf } from './variables';

export const FRESHNESS = 'freshness';

/** The rhythm of a board: `count` grows at every beat, `refreshMs` is 0 when it stands still. */
export interface Beat {
  count: number;
  refreshMs: number;
}

interface Ask {
  panel: Panel;
  scope: Scope;
  beat: Beat;
  width: number;
  /** False while the panel is out of sight: then nothing is asked. */
  active: boolean;
}

export function usePanelData({ panel, scope, beat, width, active }: Ask): QueryState {
  const [state, setState] = useState<QueryState>(() => ({
    frames: [], loading: true, range: scope.range, sql: [], notices: [],
  }));
  const running = useRef<{ scope: Scope; abort: AbortController } | null>(null);
  // Points are counted in steps of 100: a wall two pixels narrower must not need its own query.
  const points = panel.maxDataPoints ?? Math.max(Math.round(width / 100) * 100, 100);

  useEffect(() => {
    if (!active) {
      return;
    }
    const before = running.current;
    if (before && sameQuestion(before.scope, scope)) {
      return; // The last question is still open: asking again would only pile up.
    }
    before?.abort.abort();
    const abort = new AbortController();
    running.current = { scope, abort };
    load(panel, scope, points, beat.refreshMs, abort.signal)
      .then((next) => {
        running.current = null;
        setState((old) => merged(old, next));
      })
      .catch((failure: unknown) => {
        if (abort.signal.aborted) {
          return;
        }
        running.current = null;
        if (republished(failure)) {
          return;
        }
        const error = failure instanceof Error ? failure.message : String(failure);
        // A refusal is an answer; a gateway's message that no server answered is not.
        const away = !(failure instanceof ApiError) || failure.status >= 500;
        // What was refused has no figures, so those of an earlier question go.
        setState((old) => ({ ...old, frames: away ? old.frames : [], loading: false, error, away }));
      });
  }, [panel, scope, points, beat, active]);

  useEffect(() => () => running.current?.abort.abort(), []);
  return state;
}

const sameQuestion = (a: Scope, b: Scope): boolean => a.variables === b.variables && a.uid === b.uid && a.version === b.version && sameRaw(a, b);
const sameRaw = (a: Scope, b: Scope): boolean =>
  String(a.range.raw.from) === String(b.range.raw.from) && String(a.range.raw.to) === String(b.range.raw.to);

function merged(old: QueryState, next: QueryState): QueryState {
  // No answer from the database: the last good picture stays, marked with its time.
  return next.away && old.frames.length ? { ...old, loading: false, error: next.error, away: true } : next;
}

async function load(panel: Panel, scope: Scope, points: number, refreshMs: number, signal: AbortSignal): Promise<QueryState> {
  const range = panelRange(scope.range, scope.timeZone, panel.timeFrom, panel.timeShift);
  const asked = (panel.targets ?? []).filter((t) => !t.hide && typeof t.rawSql === 'string' && t.rawSql.trim());
  const empty = { frames: [], loading: false, range, sql: [], notices: [], at: serverNow() };
  if (!asked.length) {
    return empty;
  }
  const floor = panel.interval ? fill(panel.interval, scope, panel.scoped).replace(/^>/, '') : undefined;
  const { intervalMs } = rangeUtil.calculateInterval(range, points, floor || '1s');
  const refs = asked.map((target) => target.refId);
  const copy = Object.fromEntries(Object.entries(panel.scoped ?? {}).map(([name, { value }]) => [name, String(value)]));
  const ask = { panel: panel.id, refs, values: valuesOf(scope.variables), copy, intervalMs };
  const replies = await askPanel(scope, ask, rangeMs(range), refreshMs, signal);
  const frames: DataFrame[] = [];
  const sql: string[] = [];
  const notices: string[] = [];
  let error: string | undefined;
  let away = false;
  for (const refId of refs) {
    const reply = replies[refId];
    if (reply?.error) {
      // An empty time series is an error to Grafana's back end and an empty picture to people.
      if (!reply.error.startsWith('no results')) {
        error ??= reply.error;
        away ||= reply.status === 502;
      }
      continue;
    }
    for (const frame of reply?.frames ?? []) {
      frames.push(frame);
      sql.push(frame.meta?.executedQueryString ?? '');
      notices.push(...(frame.meta?.notices ?? []).map((n) => n.text));
    }
  }
  const vars = panel.scoped;
  const done = await transformed(frames, panel, (text) => fill(text, scope, vars));
  return { ...empty, frames: done, error, away, sql, notices, at: serverNow() };
}

export interface Freshness {
  stale: boolean;
  reason: string;
}

/** The panel that asks whether the board may be believed, with that question alone. */
export function freshnessPanel(panels: Panel[]): Panel | undefined {
  for (const panel of panels) {
    const target = panel.targets?.find((t) => t.refId === FRESHNESS);
    if (target) {
      return { ...panel, targets: [target], transformations: [] };
    }
    const inside = freshnessPanel(panel.panels ?? []);
    if (inside) {
      return inside;
    }
  }
  return undefined;
}

/** What the board's freshness query says; without a clear "no", the board is stale. */
export function freshnessOf({ frames, error }: QueryState): Freshness {
  if (error) {
    return { stale: true, reason: `无法判断数据是否新鲜：${error}` };
  }
  const frame = frames.find((f) => f.refId === FRESHNESS);
  const first = (name: string) => frame?.fields.find((f) => f.name === name)?.values[0];
  const stale = first('stale');
  if (stale === undefined || stale === null) {
    return { stale: true, reason: '无法判断数据是否新鲜：新鲜度查询没有结果' };
  }
  return { stale: Number(stale) !== 0, reason: String(first('reason') ?? '') };
}
