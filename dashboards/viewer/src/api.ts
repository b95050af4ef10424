/** The board server's API, and its clock. */
import { type DataFrame, type DataFrameJSON, dataFrameFromJSON } from '@grafana/data';
import type { Option } from './types';

/** No answer at all; an answer that holds an error is something else. */
export class Away extends Error {}

export class ApiError extends Error {
  constructor(
    readonly status: number,
    message: string
  ) {
    super(message);
  }
}

/** The window's event when the server holds another version of the board than is shown. */
export const BOARD_CHANGED = 'gulou-board-changed';
const REPUBLISHED = 412;

/** Whether a question failed for that reason alone: the board comes anew, and asks again. */
export const republished = (failure: unknown): boolean => failure instanceof ApiError && failure.status === REPUBLISHED;

let clockOffset = 0;

/** Now by the server's clock, ms; screens with wrong clocks still ask for the same range. */
export function serverNow(): number {
  return Date.now() + clockOffset;
}

/** A server that hangs is away like one that is down; a beat or two late is neither. */
const PATIENCE_MS = 10_000;
const BEATS = 3;
/** Patience on a board without refresh, where nothing looks live: longer than the server lets a query run. */
const UNHURRIED_MS = 40_000;

const patience = (refreshMs: number): number => (refreshMs > 0 ? Math.max(BEATS * refreshMs, PATIENCE_MS) : UNHURRIED_MS);

interface Told {
  status: number;
  ok: boolean;
  // eslint-disable-next-line @typescript-eslint/no-explicit-any
  body: any;
}

async function request(path: string, patienceMs: number, init?: RequestInit): Promise<Told> {
  // Not AbortSignal.timeout: its timers would outlive the thousands of answers that came in time.
  const limit = new AbortController();
  const timer = setTimeout(() => limit.abort(), patienceMs);
  const caller = init?.signal;
  const passOn = () => limit.abort();
  caller?.addEventListener('abort', passOn);
  try {
    caller?.throwIfAborted();
    return await answered(path, { ...init, signal: limit.signal });
  } catch (error) {
    caller?.throwIfAborted();
    throw error instanceof Away ? error : new Away('服务器无应答');
  } finally {
    clearTimeout(timer);
    caller?.removeEventListener('abort', passOn);
  }
}

async function answered(path: string, init: RequestInit): Promise<Told> {
  const sent = Date.now();
  const response = await fetch(path, { credentials: 'same-origin', ...init });
  const told = Number(response.headers.get('X-Server-Time-Ms'));
  const took = Date.now() - sent;
  if (told && took < 2000) {
    // The answer's head left about half of the round trip ago; small differences are noise.
    const offset = told + took / 2 - Date.now();
    if (Math.abs(offset - clockOffset) > 250) {
      clockOffset = offset;
    }
  }
  if (response.status === 401) {
    location.assign(`/login?to=${encodeURIComponent(location.pathname + location.search)}`);
    throw new Away('需要登录');
  }
  if (response.status === REPUBLISHED) {
    window.dispatchEvent(new Event(BOARD_CHANGED));
  }
  // Read here, within the same patience: a head may come and its body never.
  const text = await response.text();
  return { status: response.status, ok: response.ok, body: parsed(text) };
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text) ?? {};
  } catch {
    return {};
  }
}

export async function get<T>(path: string): Promise<T> {
  const { ok, status, body } = await request(path, PATIENCE_MS);
  if (!ok) {
    throw new ApiError(status, body.message ?? `HTTP ${status}`);
  }
  return body as T;
}

/** A board as this page shows it; the server refuses to answer for another version. */
export interface Shown {
  uid: string;
  version?: number;
}

export interface Span {
  from: number;
  to: number;
}

/** A stored panel's question: what its queries are is the server's to know. */
export interface PanelAsk {
  panel: number;
  refs: string[];
  /** Chosen values by variable. */
  values: Record<string, string | string[]>;
  /** The one value that a repeated panel's copy was made for, by variable. */
  copy: Record<string, string>;
  intervalMs: number;
}

export interface Reply {
  frames: DataFrame[];
  error?: string;
  status: number;
}

interface RawReply {
  frames?: DataFrameJSON[];
  error?: string;
  status?: number;
}

function asked(board: Shown, range: Span, refreshMs: number): URLSearchParams {
  const search = new URLSearchParams({ from: String(range.from), to: String(range.to), refreshMs: String(refreshMs) });
  if (board.version !== undefined) {
    search.set('version', String(board.version));
  }
  return search;
}

function append(search: URLSearchParams, prefix: string, values: Record<string, string | string[]>): void {
  for (const [name, value] of Object.entries(values)) {
    [value].flat().forEach((each) => search.append(prefix + name, each));
  }
}

/** Each query's answer by its refId; a failed one carries ClickHouse's message. */
export async function askPanel(
  board: Shown,
  ask: PanelAsk,
  range: Span,
  refreshMs: number,
  signal?: AbortSignal
): Promise<Record<string, Reply>> {
  const search = asked(board, range, refreshMs);
  search.set('intervalMs', String(ask.intervalMs));
  ask.refs.forEach((ref) => search.append('ref', ref));
  append(search, 'var-', ask.values);
  append(search, 'for-', ask.copy);
  const path = `/api/boards/${encodeURIComponent(board.uid)}/panels/${ask.panel}/query?${search}`;
  const told = await request(path, patience(refreshMs), { signal });
  const body = told.body as { results?: Record<string, RawReply>; message?: string };
  if (!body.results) {
    throw new ApiError(told.status, body.message ?? `HTTP ${told.status}`);
  }
  const replies: Record<string, Reply> = {};
  for (const [refId, raw] of Object.entries(body.results)) {
    const frames = (raw.frames ?? []).filter((f) => f.data).map((f) => ({ ...dataFrameFromJSON(f), refId }));
    replies[refId] = { frames, error: raw.error, status: raw.status ?? 200 };
  }
  return replies;
}

/** A variable as the server settled it, with what it depends on. */
export interface SettledVariable {
  name: string;
  parents: string[];
  options: Option[];
  picked: Option[];
  /** What is wrong with the chosen value, in words for people. */
  unknown?: string;
  /** Why its options could not be had. */
  error?: string;
}

/** `carried`: variables whose value came along when another was changed, and may be gone. */
export async function askVariables(
  board: Shown,
  values: Record<string, string[]>,
  carried: string[],
  range: Span,
  refreshMs: number,
  signal?: AbortSignal
): Promise<SettledVariable[]> {
  const search = asked(board, range, refreshMs);
  append(search, 'var-', values);
  carried.forEach((name) => search.append('carried', name));
  const path = `/api/boards/${encodeURIComponent(board.uid)}/variables?${search}`;
  const { ok, status, body } = await request(path, patience(refreshMs), { signal });
  if (!ok) {
    throw new ApiError(status, body.message ?? `HTTP ${status}`);
  }
  return (body as { variables: SettledVariable[] }).variables;
}
