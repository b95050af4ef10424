/** Bar chart and state timeline, drawn by ECharts on Grafana's fields. */
import { type DataFrame, dateTimeFormat, type Field, FieldType, formattedValueToString, getFieldColorModeForField, getFieldDisplayName, getFieldSeriesColor, type GrafanaTheme2 } from '@grafana/data';
import { useMemo } from 'react';
import { displayed } from '../fields';
import { Chart, type ChartOption, echarts, escaped, legend, textStyle, tooltip, useChartTheme } from './chart';
import type { PanelProps } from './types';
import { clickLink } from './values';

/** Colour of one bar: by its value where the field's colour depends on it, else the series'. */
function barColor(field: Field, value: unknown, theme: GrafanaTheme2): string {
  const byValue = getFieldColorModeForField(field).isByValue;
  return (byValue ? field.display?.(value).color : undefined) ?? getFieldSeriesColor(field, theme).color;
}

export function BarChartPanel(props: PanelProps) {
  const { panel, frames, width, height, timeZone } = props;
  const theme = useChartTheme();
  const options = panel.options ?? {};
  const frame = frames[0];
  const option = useMemo(() => frame && barOption(frame, options, width, height, timeZone, theme), [frame, options, width, height, timeZone, theme]);
  if (!frame?.length || !option) {
    return <div className="gulou-empty">没有数据</div>;
  }
  const linked = frame.fields.some((f) => f.config.links?.length);
  const follow = (event: { dataIndex: number; seriesName?: string }) => {
    const field = frame.fields.find((f) => getFieldDisplayName(f, frame) === event.seriesName && f.config.links?.length) ?? frame.fields.find((f) => f.config.links?.length);
    const link = field?.getLinks?.({ valueRowIndex: event.dataIndex })[0];
    if (link) {
      clickLink(link);
    }
  };
  return <Chart option={option} width={width} height={height} label={panel.title ?? '柱形图'} onClick={linked ? follow : undefined} />;
}

// eslint-disable-next-line @typescript-eslint/no-explicit-any
function barOption(frame: DataFrame, options: Record<string, any>, width: number, height: number, timeZone: string, theme: GrafanaTheme2): ChartOption | undefined {
  const category =
    frame.fields.find((f) => f.name === options.xField || getFieldDisplayName(f, frame) === options.xField) ??
    frame.fields.find((f) => f.type === FieldType.string || f.type === FieldType.enum) ??
    frame.fields.find((f) => f.type === FieldType.time);
  const bars = frame.fields.filter((f) => f !== category && f.type === FieldType.number && !f.config.custom?.hideFrom?.viz);
  if (!bars.length) {
    return undefined;
  }
  const names = Array.from({ length: frame.length }, (_, i) => {
    if (!category) {
      return String(i + 1);
    }
    return category.type === FieldType.time ? dateTimeFormat(category.values[i], { timeZone, format: 'MM-DD' }) : displayed(category, category.values[i]);
  });
  const flat = options.orientation === 'horizontal' || ((options.orientation ?? 'auto') === 'auto' && height > width * 1.1);
  const stacked = options.stacking && options.stacking !== 'none';
  const percent = options.stacking === 'percent';
  const sums = names.map((_, i) => bars.reduce((sum, f) => sum + Math.abs(Number(f.values[i] ?? 0)), 0) || 1);
  const grouped = bars.length > 1 && options.legend?.showLegend !== false;
  const labelled = options.showValue === 'always' || (options.showValue ?? 'auto') === 'auto';
  const longest = Math.max(...names.map((n) => [...n].length), 1);
  const values = { type: 'value', splitNumber: flat ? Math.max(Math.floor(width / 130), 2) : 5, axisLabel: axisText(theme, (v) => formattedValueToString(bars[0].display?.(v) ?? { text: String(v), numeric: v })), splitLine: { lineStyle: { color: theme.colors.border.weak } }, min: bars[0].config.min, max: percent ? 1 : bars[0].config.max, show: options.showAxis !== false };
  if (percent) {
    values.axisLabel = axisText(theme, (v) => `${Math.round(v * 100)}%`);
  }
  const turned = !flat && longest * 12 > width / Math.max(names.length, 1);
  const words = {
    type: 'category',
    data: names,
    inverse: flat,
    axisTick: { show: false },
    axisLine: { lineStyle: { color: theme.colors.border.medium } },
    axisLabel: { ...textStyle(theme), rotate: options.xTickLabelRotation ? -options.xTickLabelRotation : turned ? 35 : 0, interval: flat || names.length <= 32 ? 0 : 'auto', width: flat ? Math.min(width * 0.34, 160) : undefined, overflow: 'truncate' },
  };
  return {
    grid: { left: 6, right: flat && labelled ? 56 : 12, top: labelled && !flat ? 24 : 10, bottom: grouped ? 30 : 4, containLabel: true },
    tooltip: {
      ...tooltip(theme),
      trigger: 'axis',
      axisPointer: { type: 'shadow', shadowStyle: { color: theme.colors.action.hover } },
      formatter: (points: Array<{ dataIndex: number; seriesIndex: number; marker: string }>) =>
        [escaped(names[points[0].dataIndex]), ...points.map((p) => `${p.marker}${escaped(getFieldDisplayName(bars[p.seriesIndex], frame))} <b>${escaped(displayed(bars[p.seriesIndex], bars[p.seriesIndex].values[p.dataIndex]))}</b>`)].join('<br/>'),
    },
    legend: grouped ? legend(theme, 'bottom') : { show: false },
    xAxis: flat ? values : words,
    yAxis: flat ? words : values,
    series: bars.map((field) => ({
      type: 'bar',
      name: getFieldDisplayName(field, frame),
      stack: stacked ? 'all' : undefined,
      barMaxWidth: 46,
      barCategoryGap: `${Math.round((1 - (options.groupWidth ?? 0.7)) * 100)}%`,
      itemStyle: { borderRadius: stacked ? 0 : (flat ? [0, 3, 3, 0] : [3, 3, 0, 0]), color: getFieldSeriesColor(field, theme).color },
      label: {
        show: labelled && (!stacked || options.showValue === 'always') && (options.showValue === 'always' || names.length * bars.length <= 40),
        position: stacked ? 'inside' : flat ? 'right' : 'top',
        ...textStyle(theme),
        formatter: (p: { dataIndex: number }) => (field.values[p.dataIndex] == null ? '' : displayed(field, field.values[p.dataIndex])),
      },
      data: Array.from({ length: frame.length }, (_, i) => ({
        value: percent ? Number(field.values[i] ?? 0) / sums[i] : field.values[i],
        itemStyle: { color: barColor(field, field.values[i], theme) },
      })),
    })),
  };
}

function axisText(theme: GrafanaTheme2, formatter: (value: number) => string): ChartOption {
  return { ...textStyle(theme), color: theme.colors.text.secondary, formatter, hideOverlap: true };
}

interface Span {
  from: number;
  to: number;
  value: unknown;
  text: string;
  color: string;
}

/** One lane per field; a value holds until the next row. */
function lanes(frames: DataFrame[], end: number, merge: boolean, theme: GrafanaTheme2): Array<{ name: string; spans: Span[] }> {
  return frames.flatMap((frame) => {
    const clock = frame.fields.find((f) => f.type === FieldType.time);
    if (!clock) {
      return [];
    }
    return frame.fields
      .filter((f) => f !== clock)
      .map((field) => {
        const spans: Span[] = [];
        for (let i = 0; i < frame.length; i++) {
          const value = field.values[i];
          const last = spans[spans.length - 1];
          const to = clock.values[i + 1] ?? end;
          if (value == null) {
            continue;
          }
          if (merge && last && last.value === value && last.to === clock.values[i]) {
            last.to = to;
          } else {
            spans.push({ from: clock.values[i], to, value, text: displayed(field, value), color: barColor(field, value, theme) });
          }
        }
        return { name: getFieldDisplayName(field, frame, frames), spans };
      });
  });
}

export function StateTimeline(props: PanelProps) {
  const { panel, frames, width, height, range, timeZone } = props;
  const theme = useChartTheme();
  const options = panel.options ?? {};
  const start = range.from.valueOf();
  const end = range.to.valueOf();
  const option = useMemo<ChartOption>(() => {
    const rows = lanes(frames, end, options.mergeValues ?? true, theme);
    const labelled = (options.showValue ?? 'auto') !== 'never';
    return {
      grid: { left: 6, right: 14, top: 6, bottom: 4, containLabel: true },
      tooltip: {
        ...tooltip(theme),
        formatter: (p: { data: { span: Span }; name: string }) =>
          `${escaped(p.name)}<br/><b>${escaped(p.data.span.text)}</b><br/>${dateTimeFormat(p.data.span.from, { timeZone })} — ${dateTimeFormat(p.data.span.to, { timeZone })}`,
      },
      xAxis: {
        type: 'time',
        min: start,
        max: end,
        axisLabel: { ...textStyle(theme), color: theme.colors.text.secondary, hideOverlap: true, formatter: (ms: number) => dateTimeFormat(ms, { timeZone, format: end - start > 3 * 86_400_000 ? 'MM-DD' : 'HH:mm' }) },
        splitLine: { show: false },
      },
      yAxis: { type: 'category', inverse: true, data: rows.map((r) => r.name), axisLabel: { ...textStyle(theme), width: width * 0.2, overflow: 'truncate' }, axisTick: { show: false }, axisLine: { show: false } },
      series: [
        {
          type: 'custom',
          encode: { x: [1, 2], y: 0 },
          clip: true,
          data: rows.flatMap((row, lane) => row.spans.map((span) => ({ name: row.name, value: [lane, span.from, span.to], span }))),
          // eslint-disable-next-line @typescript-eslint/no-explicit-any
          renderItem: (params: any, api: any) => {
            const lane = api.value(0);
            const [x0, y] = api.coord([Math.max(api.value(1), start), lane]);
            const [x1] = api.coord([Math.min(api.value(2), end), lane]);
            const tall = api.size([0, 1])[1] * (options.rowHeight ?? 0.9);
            const box = { x: x0, y: y - tall / 2, width: Math.max(x1 - x0, 1), height: tall };
            const shape = echarts.graphic.clipRectByRect(box, params.coordSys);
            const span: Span | undefined = rows[lane]?.spans.find((s) => s.from === api.value(1) && s.to === api.value(2));
            if (!shape || !span) {
              return null;
            }
            const roomy = labelled && shape.width > span.text.length * 9 + 8;
            return {
              type: 'rect',
              shape: { ...shape, r: 2 },
              style: { fill: span.color, opacity: 0.92, stroke: theme.colors.background.primary, lineWidth: 1 },
              textConfig: { position: options.alignValue === 'center' ? 'inside' : 'insideLeft' },
              textContent: roomy ? { style: { text: span.text, fill: theme.colors.getContrastText(span.color, 4.5), fontSize: 12, fontFamily: theme.typography.fontFamily } } : undefined,
            };
          },
        },
      ],
    };
  }, [frames, start, end, options, theme, timeZone, width]);
  return <Chart option={option} width={width} height={height} label={panel.title ?? '状态时间线'} />;
}
