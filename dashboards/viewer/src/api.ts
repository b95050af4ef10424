/** The board server's API, and its clock. */
import { type DataFrame, type DataFrameJSON, dataFrameFromJSON } from '@grafana/data';
import type { SourceRef } from './types';

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

export interface Query {
  refId: string;
  datasource: SourceRef;
  rawSql: string;
  format: number | string;
  intervalMs?: number;
  maxDataPoints?: number;
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

/** Each query's answer by its refId; a failed one carries ClickHouse's message. */
export async function runQueries(
  queries: Query[],
  range: { from: number; to: number },
  refreshMs: number,
  signal?: AbortSignal
): Promise<Record<string, Reply>> {
  const told = await request('/api/ds/query', patience(refreshMs), {
    method: 'POST',
    headers: { 'Content-Type': 'application/json' },
    body: JSON.stringify({ queries, from: String(range.from), to: String(range.to), refreshMs }),
    signal,
  });
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

export interface SourceInfo {
  uid: string;
  name: string;
  type: string;
  isDefault: boolean;
}

let sources: Promise<SourceInfo[]> | undefined;

export function dataSources(): Promise<SourceInfo[]> {
  sources ??= get<SourceInfo[]>('/api/datasources').catch((error: unknown) => {
    sources = undefined;
    throw error;
  });
  return sources;
}
