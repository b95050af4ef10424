/** The board server's API, and its clock. */
import { type DataFrame, type DataFrameJSON, dataFrameFromJSON } from '@grafana/data';
import type { SourceRef } from './types';

/** No answer at all, as against an answer that tells an error. */
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

async function request(path: string, init?: RequestInit): Promise<Response> {
  const sent = Date.now();
  let response: Response;
  try {
    response = await fetch(path, { credentials: 'same-origin', ...init });
  } catch (error) {
    if (error instanceof DOMException && error.name === 'AbortError') {
      throw error;
    }
    throw new Away('服务器无应答');
  }
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
    location.assign('/login');
    throw new Away('需要登录');
  }
  return response;
}

export async function get<T>(path: string): Promise<T> {
  const response = await request(path);
  const body = await response.json().catch(() => ({}));
  if (!response.ok) {
    throw new ApiError(response.status, body.message ?? `HTTP ${response.status}`);
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
  const response = await request('/api/ds/query', {
    method: 'POST',
    headers: { 'Content-Type': 'application/json' },
    body: JSON.stringify({ queries, from: String(range.from), to: String(range.to), refreshMs }),
    signal,
  });
  const body = (await response.json().catch(() => ({}))) as { results?: Record<string, RawReply>; message?: string };
  if (!body.results) {
    throw new ApiError(response.status, body.message ?? `HTTP ${response.status}`);
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
