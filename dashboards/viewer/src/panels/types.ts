import type { DataFrame, InterpolateFunction, TimeRange } from '@grafana/data';
import type { Panel } from '../types';

/** What every panel draws from; `frames` have units, thresholds, colours and links applied. */
export interface PanelProps {
  panel: Panel;
  frames: DataFrame[];
  width: number;
  height: number;
  range: TimeRange;
  timeZone: string;
  /** Changes when the frames' fields change, not when their values do. */
  structureRev: number;
  renderCounter: number;
  replaceVariables: InterpolateFunction;
  onZoom: (range: { from: number; to: number }) => void;
}
