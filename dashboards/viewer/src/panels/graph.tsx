/** Time series and tables: Grafana's own drawings. */
import { type DataFrame, dateTimeFormat, type Field, FieldType, formattedValueToString, getFieldDisplayName } from '@grafana/data';
import { LegendDisplayMode, SortOrder, TooltipDisplayMode, type VizLegendOptions } from '@grafana/schema';
import { TimeSeries, TooltipPlugin2, useTheme2 } from '@grafana/ui';
import { TableNG } from '@grafana/ui/unstable';
import { useMemo } from 'react';
import type { PanelProps } from './types';

const LEGEND: VizLegendOptions = { displayMode: LegendDisplayMode.List, placement: 'bottom', showLegend: true, calcs: [] };

/** Frames with a time and numbers only; what cannot be drawn is left out, as in Grafana. */
function graphable(frames: DataFrame[]): DataFrame[] {
  return frames.flatMap((frame) => {
    const clock = frame.fields.find((f) => f.type === FieldType.time);
    const numbers = frame.fields.filter((f) => f.type === FieldType.number || f.type === FieldType.boolean).map(numeric);
    return clock && numbers.length ? [{ ...frame, fields: [clock, ...numbers] }] : [];
  });
}

function numeric(field: Field): Field {
  if (field.type !== FieldType.boolean) {
    return field;
  }
  return { ...field, type: FieldType.number, values: field.values.map((v) => (v == null ? v : Number(v))) };
}

export function TimeSeriesPanel(props: PanelProps) {
  const { panel, frames, width, height, range, timeZone, structureRev, onZoom } = props;
  const drawn = useMemo(() => graphable(frames), [frames]);
  const options = panel.options ?? {};
  const mode: TooltipDisplayMode = options.tooltip?.mode ?? TooltipDisplayMode.Multi;
  const narrow = width < 400;
  // One object for as long as it says the same: a new one would rebuild the chart at each refresh.
  const legend = useMemo(() => {
    const wanted = { ...LEGEND, ...options.legend };
    // A legend at the side would leave nothing of a narrow picture.
    return narrow && wanted.placement === 'right' ? { ...wanted, placement: 'bottom' as const } : wanted;
  }, [options.legend, narrow]);
  if (!drawn.length) {
    return <div className="gulou-empty">没有数据</div>;
  }
  return (
    <TimeSeries
      frames={drawn}
      structureRev={structureRev}
      timeRange={range}
      timeZone={timeZone}
      width={width}
      height={height}
      legend={legend}
    >
      {(config, aligned) => (
        <>
          {mode !== TooltipDisplayMode.None && (
            <TooltipPlugin2
              config={config}
              hoverMode={mode === TooltipDisplayMode.Single ? 0 : 1}
              queryZoom={onZoom}
              clientZoom={true}
              render={(_u, indexes, series) => (
                <SeriesTooltip frame={aligned} indexes={indexes} series={series} mode={mode} sort={options.tooltip?.sort} timeZone={timeZone} />
              )}
              maxWidth={options.tooltip?.maxWidth}
            />
          )}
        </>
      )}
    </TimeSeries>
  );
}

interface TooltipProps {
  frame: DataFrame;
  indexes: Array<number | null>;
  series: number | null;
  mode: TooltipDisplayMode;
  sort?: SortOrder;
  timeZone: string;
}

function SeriesTooltip({ frame, indexes, series, mode, sort, timeZone }: TooltipProps) {
  const theme = useTheme2();
  const at = indexes[0] ?? indexes.find((i) => i != null);
  if (at == null) {
    return null;
  }
  const rows = frame.fields
    .map((field, i) => ({ field, i, value: indexes[i] == null ? null : field.values[indexes[i] as number] }))
    .filter(({ field, i, value }) => i > 0 && value != null && !field.config.custom?.hideFrom?.tooltip)
    .filter(({ i }) => mode === TooltipDisplayMode.Multi || i === series);
  if (sort === SortOrder.Descending || sort === SortOrder.Ascending) {
    rows.sort((a, b) => (sort === SortOrder.Ascending ? 1 : -1) * (Number(a.value) - Number(b.value)));
  }
  return (
    <div className="gulou-tooltip" style={{ fontFamily: theme.typography.fontFamily }}>
      <div className="gulou-tooltip-time">{dateTimeFormat(frame.fields[0].values[at], { timeZone })}</div>
      {rows.map(({ field, i, value }) => {
        const shown = field.display?.(value);
        const color = field.state?.seriesIndex !== undefined ? seriesColor(field, shown?.color, theme) : shown?.color;
        return (
          <div key={i} className="gulou-tooltip-row">
            <i style={{ background: color }} />
            <span>{getFieldDisplayName(field, frame)}</span>
            <b>{shown ? formattedValueToString(shown) : String(value)}</b>
          </div>
        );
      })}
    </div>
  );
}

function seriesColor(field: Field, shown: string | undefined, theme: ReturnType<typeof useTheme2>): string | undefined {
  const { mode, fixedColor } = field.config.color ?? {};
  if (mode === 'fixed' && fixedColor) {
    return theme.visualization.getColorByName(fixedColor);
  }
  if (mode?.startsWith('palette-classic')) {
    const palette = theme.visualization.palette;
    return theme.visualization.getColorByName(palette[(field.state?.seriesIndex ?? 0) % palette.length]);
  }
  return shown;
}

export function TablePanel(props: PanelProps) {
  const { panel, frames, width, height, range, structureRev } = props;
  const options = panel.options ?? {};
  const frame = frames[options.frameIndex ?? 0] ?? frames[0];
  if (!frame || !frame.fields.length) {
    return <div className="gulou-empty">没有数据</div>;
  }
  return (
    <TableNG
      data={frame}
      width={width}
      height={height}
      timeRange={range}
      structureRev={structureRev}
      noHeader={options.showHeader === false}
      showTypeIcons={options.showTypeIcons}
      cellHeight={options.cellHeight}
      sortBy={options.sortBy}
      frozenColumns={options.frozenColumns?.left}
      enablePagination={options.enablePagination ?? options.footer?.enablePagination}
      fieldConfig={panel.fieldConfig}
      resizable={true}
      noValue={panel.fieldConfig?.defaults?.noValue}
      transparent={panel.transparent}
      initialRowIndex={undefined}
    />
  );
}
