import { type ComponentType, memo } from 'react';
import { BarChartPanel, StateTimeline } from './bars';
import { TablePanel, TimeSeriesPanel } from './graph';
import { MapPanel, outlinesOf } from './map';
import { BoardList, TextPanel, UnknownPanel } from './text';
import type { Panel } from '../types';
import type { PanelProps } from './types';
import { BarGaugePanel, Gauge, Pie, Stat } from './values';

const PANELS: Record<string, ComponentType<PanelProps>> = {
  stat: Stat,
  gauge: Gauge,
  bargauge: BarGaugePanel,
  table: TablePanel,
  timeseries: TimeSeriesPanel,
  barchart: BarChartPanel,
  piechart: Pie,
  geomap: MapPanel,
  'state-timeline': StateTimeline,
  'status-history': StateTimeline,
  text: TextPanel,
  dashlist: BoardList,
};

const unknown = memo(UnknownPanel);
// A beat gives every panel new props around the same frames; only new frames are drawn.
const drawn = Object.fromEntries(Object.entries(PANELS).map(([type, panel]) => [type, memo(panel)]));

export function drawing(type: string): ComponentType<PanelProps> {
  return drawn[type] ?? unknown;
}

/** Panels that need no query and so never wait for one. */
export const still = (type: string): boolean => type === 'text' || type === 'dashlist' || !(type in PANELS);

const BESIDES: Record<string, (panel: Panel) => Promise<unknown>> = { geomap: outlinesOf };

/** What brings the rest of what panels of a type draw; undefined where the answer to the query is all. */
export const besides = (type: string): ((panel: Panel) => Promise<unknown>) | undefined => BESIDES[type];
