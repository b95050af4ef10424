/** The part of Grafana's classic board JSON that is read here. */
import type { DataFrame, FieldConfigSource, TimeRange } from '@grafana/data';

export interface Target {
  refId: string;
  rawSql?: string;
  format?: number | string;
  hide?: boolean;
  [key: string]: unknown;
}

export interface BoardLink {
  title?: string;
  url?: string;
  type?: 'link' | 'dashboards';
  tags?: string[];
  includeVars?: boolean;
  keepTime?: boolean;
  targetBlank?: boolean;
  tooltip?: string;
}

export interface GridPos {
  x: number;
  y: number;
  w: number;
  h: number;
}

export interface Panel {
  id: number;
  type: string;
  title?: string;
  description?: string;
  transparent?: boolean;
  gridPos: GridPos;
  targets?: Target[];
  fieldConfig?: FieldConfigSource;
  // eslint-disable-next-line @typescript-eslint/no-explicit-any
  options?: Record<string, any>;
  transformations?: Array<{ id: string; options: unknown; disabled?: boolean }>;
  links?: BoardLink[];
  interval?: string;
  maxDataPoints?: number;
  timeFrom?: string;
  timeShift?: string;
  repeat?: string;
  repeatDirection?: 'h' | 'v';
  maxPerRow?: number;
  collapsed?: boolean;
  panels?: Panel[];
  /** Set on copies that a repeat made: the values its variables have in this copy. */
  scoped?: Record<string, Choice>;
  key?: string;
}

/** A variable's value; arrays belong to multi-value variables. */
export interface Choice {
  text: string | string[];
  value: string | string[];
}

export interface Option {
  text: string;
  value: string;
}

export interface VariableModel {
  name: string;
  type: string;
  label?: string | null;
  description?: string | null;
  hide?: number;
  refresh?: number;
  multi?: boolean;
  includeAll?: boolean;
  allValue?: string | null;
  current?: Partial<Choice>;
  auto?: boolean;
  auto_count?: number;
  auto_min?: string;
}

export interface BoardModel {
  uid: string;
  title: string;
  description?: string;
  tags?: string[];
  timezone?: string;
  refresh?: string | false;
  time?: { from: string; to: string };
  timepicker?: { refresh_intervals?: string[]; hidden?: boolean; quick_ranges?: Array<{ display: string; from: string; to: string }> };
  graphTooltip?: number;
  links?: BoardLink[];
  templating?: { list: VariableModel[] };
  panels?: Panel[];
  version?: number;
}

export interface QueryState {
  frames: DataFrame[];
  /** ClickHouse's words when the last run failed; the frames then are older. */
  error?: string;
  /** The server, or the database behind it, gave no answer at all. */
  away?: boolean;
  loading: boolean;
  /** When the frames were read, by the server's clock. */
  at?: number;
  range: TimeRange;
  sql: string[];
  notices: string[];
}
