/** Panels of single values: stat, gauge, bar gauge, pie. */
import {
  type DisplayValueAlignmentFactors,
  type FieldDisplay,
  formattedValueToString,
  getDisplayValueAlignmentFactors,
  getFieldDisplayValues,
  type GrafanaTheme2,
  type LinkModel,
  VizOrientation,
} from '@grafana/data';
import { BarGaugeDisplayMode, BarGaugeNamePlacement, BarGaugeValueMode } from '@grafana/schema';
import {
  BarGauge,
  BigValue,
  BigValueColorMode,
  BigValueGraphMode,
  BigValueTextMode,
  DataLinksContextMenu,
  useTheme2,
  VizRepeater,
  type VizRepeaterRenderValueProps,
} from '@grafana/ui';
import { type JSX, useMemo } from 'react';
import { inked, shapeOf } from '../theme';
import { Chart, type ChartOption, escaped, legend, textStyle, tooltip } from './chart';
import type { PanelProps } from './types';

const REDUCE = { calcs: ['lastNotNull'], values: false };

interface Extra {
  sparkline?: boolean;
  percentChange?: boolean;
}

function useDisplayValues({ panel, frames, timeZone, replaceVariables }: PanelProps, extra: Extra = {}): FieldDisplay[] {
  const theme = useTheme2();
  return useMemo(
    () =>
      getFieldDisplayValues({
        fieldConfig: panel.fieldConfig ?? { defaults: {}, overrides: [] },
        reduceOptions: { ...REDUCE, ...panel.options?.reduceOptions },
        replaceVariables,
        theme,
        data: frames,
        timeZone,
        ...extra,
      }),
    // eslint-disable-next-line react-hooks/exhaustive-deps
    [panel, frames, timeZone, replaceVariables, theme, extra.sparkline, extra.percentChange]
  );
}

/** Values as figures: in a colour that is readable as text, and its state told by a shape too. */
function useFigures(props: PanelProps, extra: Extra = {}): FieldDisplay[] {
  const theme = useTheme2();
  const values = useDisplayValues(props, extra);
  return useMemo(() => values.map((value) => figure(value, theme)), [values, theme]);
}

function figure(value: FieldDisplay, theme: GrafanaTheme2): FieldDisplay {
  const { display, field } = value;
  const judged = (field.color?.mode ?? 'thresholds') === 'thresholds' && (field.thresholds?.steps.length ?? 0) > 1;
  // Behind the number, where it is drawn smaller; a line must not break before it.
  const shape = judged && display.color && Number.isFinite(display.numeric) ? `\u00a0${shapeOf(display.color, theme)}` : '';
  const color = display.color && inked(display.color, theme);
  return { ...value, display: { ...display, color, suffix: `${display.suffix ?? ''}${shape}` || undefined } };
}

type Rendered = VizRepeaterRenderValueProps<FieldDisplay, DisplayValueAlignmentFactors>;

/** A value that leads somewhere is a link, or a menu of links. */
function Linked({ value, children }: { value: FieldDisplay; children: (open?: (event: never) => void) => JSX.Element }) {
  if (!value.hasLinks || !value.getLinks) {
    return children();
  }
  const links = value.getLinks as (config: object) => LinkModel[];
  return (
    <DataLinksContextMenu links={() => links({})} style={{ flexGrow: 1 }}>
      {(api) => children(api.openMenu as never)}
    </DataLinksContextMenu>
  );
}

export function Stat(props: PanelProps) {
  const { panel, width, height, frames, renderCounter } = props;
  const theme = useTheme2();
  const options = panel.options ?? {};
  const graph = options.graphMode ?? BigValueGraphMode.Area;
  const values = useFigures(props, { sparkline: graph !== BigValueGraphMode.None, percentChange: options.showPercentChange });
  const render = ({ value, width: w, height: h, count, alignmentFactors }: Rendered) => (
    <Linked value={value}>
      {(open) => (
        <BigValue
          value={value.display}
          sparkline={value.sparkline}
          count={count}
          colorMode={options.colorMode ?? BigValueColorMode.Value}
          graphMode={graph}
          justifyMode={options.justifyMode}
          textMode={options.textMode ?? BigValueTextMode.Auto}
          alignmentFactors={alignmentFactors}
          text={options.text}
          width={w}
          height={h}
          theme={theme}
          onClick={open}
          hasLinks={value.hasLinks}
          percentChangeColorMode={options.percentChangeColorMode}
          disableWideLayout={!(options.wideLayout ?? true)}
        />
      )}
    </Linked>
  );
  return (
    <VizRepeater
      getValues={() => values}
      getAlignmentFactors={(all: FieldDisplay[]) => getDisplayValueAlignmentFactors(all)}
      renderValue={render}
      width={width}
      height={height}
      source={frames}
      itemSpacing={3}
      renderCounter={renderCounter}
      autoGrid={true}
      orientation={options.orientation ?? VizOrientation.Auto}
    />
  );
}

export function BarGaugePanel(props: PanelProps) {
  const { panel, width, height, frames, renderCounter } = props;
  const theme = useTheme2();
  const options = panel.options ?? {};
  const values = useFigures(props);
  const orientation: VizOrientation = options.orientation ?? VizOrientation.Auto;
  const render = ({ value, width: w, height: h, alignmentFactors, orientation: turned, count }: Rendered) => (
    <Linked value={value}>
      {(open) => (
        <BarGauge
          value={value.display}
          width={w}
          height={h}
          orientation={turned}
          field={value.field}
          text={options.text}
          display={value.view?.getFieldDisplayProcessor(value.colIndex ?? 0)}
          theme={theme}
          itemSpacing={8}
          displayMode={options.displayMode ?? BarGaugeDisplayMode.Gradient}
          showUnfilled={options.showUnfilled ?? true}
          valueDisplayMode={options.valueMode ?? BarGaugeValueMode.Color}
          namePlacement={options.namePlacement ?? BarGaugeNamePlacement.Auto}
          alignmentFactors={count > 1 ? alignmentFactors : undefined}
          onClick={open as never}
        />
      )}
    </Linked>
  );
  return (
    <VizRepeater
      getValues={() => values}
      getAlignmentFactors={(all: FieldDisplay[]) => getDisplayValueAlignmentFactors(all)}
      renderValue={render}
      renderCounter={renderCounter}
      width={width}
      height={height}
      minVizWidth={options.minVizWidth}
      minVizHeight={options.minVizHeight}
      maxVizHeight={options.sizing === 'manual' ? options.maxVizHeight : 300}
      source={frames}
      itemSpacing={8}
      orientation={orientation}
    />
  );
}

/** Grafana's component library ships no gauge any more, so this one is drawn by ECharts. */
export function Gauge(props: PanelProps) {
  const { panel, width, height, frames, renderCounter } = props;
  const values = useFigures(props);
  return (
    <VizRepeater
      getValues={() => values}
      renderValue={({ value, width: w, height: h, count }: Rendered) => (
        <Linked value={value}>{() => <Dial value={value} width={w} height={h} count={count} panel={panel} />}</Linked>
      )}
      width={width}
      height={height}
      source={frames}
      renderCounter={renderCounter}
      autoGrid={true}
      orientation={panel.options?.orientation ?? VizOrientation.Auto}
    />
  );
}

function Dial({ value, width, height, count, panel }: { value: FieldDisplay; width: number; height: number; count: number; panel: PanelProps['panel'] }) {
  const theme = useTheme2();
  const option = useMemo<ChartOption>(() => {
    const min = value.field.min ?? 0;
    const max = value.field.max ?? 100;
    const steps = value.field.thresholds?.steps ?? [];
    const percent = value.field.thresholds?.mode === 'percentage';
    const bands = steps.map((step, i) => {
      const next = steps[i + 1]?.value;
      const end = next === undefined ? 1 : percent ? next / 100 : (next - min) / (max - min || 1);
      return [Math.min(Math.max(end, 0), 1), theme.visualization.getColorByName(step.color)];
    });
    const named = count > 1 || Boolean(value.field.displayName);
    // The arc is open at the bottom: it is 1.5 radii high and 2 wide, with 10 px for the bands.
    const radius = Math.max(Math.min(width / 2, (height - (named ? 10 : 0)) / 1.55) - 10, 10);
    const size = radius * 2.1;
    const place = { radius, center: ['50%', (height - radius * 1.5) / 2 + radius] };
    const color = value.display.color ?? theme.colors.primary.main;
    const thick = Math.max(size * 0.075, 8);
    return {
      series: [
        {
          type: 'gauge',
          min,
          max,
          startAngle: 210,
          endAngle: -30,
          ...place,
          pointer: { show: false },
          progress: { show: true, width: thick, roundCap: false, itemStyle: { color } },
          axisLine: { lineStyle: { width: thick, color: [[1, theme.colors.background.secondary]] } },
          axisTick: { show: false },
          splitLine: { show: false },
          axisLabel: { show: false },
          data: [{ value: value.display.numeric }],
          title: { show: false },
          detail: {
            offsetCenter: [0, '-4%'],
            formatter: () => formattedValueToString(value.display),
            color,
            fontFamily: theme.typography.fontFamily,
            fontWeight: 500,
            fontSize: panel.options?.text?.valueSize ?? Math.max(Math.min(size * 0.17, 72), 14),
          },
        },
        ...(panel.options?.showThresholdMarkers === false
          ? []
          : [
              {
                type: 'gauge',
                min,
                max,
                startAngle: 210,
                endAngle: -30,
                ...place,
                radius: radius + 7,
                pointer: { show: false },
                axisLine: { lineStyle: { width: 3, color: bands.length ? bands : [[1, color]] } },
                axisTick: { show: false },
                splitLine: { show: false },
                axisLabel: { show: false },
                detail: { show: false },
                data: [{ value: min }],
              },
            ]),
        {
          type: 'gauge',
          startAngle: 210,
          endAngle: -30,
          ...place,
          pointer: { show: false },
          axisLine: { show: false },
          axisTick: { show: false },
          splitLine: { show: false },
          axisLabel: { show: false },
          detail: { show: false },
          title: { show: named, offsetCenter: [0, '42%'], color: theme.colors.text.secondary, fontSize: Math.max(size * 0.07, 12), fontFamily: theme.typography.fontFamily },
          data: [{ value: 0, name: value.display.title ?? '' }],
        },
      ],
    };
  }, [value, width, height, count, panel, theme]);
  return <Chart option={option} width={width} height={height} label={`${value.display.title ?? ''} ${formattedValueToString(value.display)}`} />;
}

export function Pie(props: PanelProps) {
  const { panel, width, height } = props;
  const theme = useTheme2();
  const values = useDisplayValues(props);
  const options = panel.options ?? {};
  const option = useMemo<ChartOption>(() => {
    const shown = values.filter((v) => Number.isFinite(v.display.numeric));
    const total = shown.reduce((sum, v) => sum + v.display.numeric, 0) || 1;
    const labels: string[] = options.displayLabels ?? [];
    const wanted: string[] = options.legend?.values ?? [];
    const hasLegend = options.legend?.showLegend !== false && options.legend?.displayMode !== 'hidden';
    const right = options.legend?.placement === 'right' && width > 260;
    const text = (v: FieldDisplay) => ({
      name: v.display.title ?? '',
      value: formattedValueToString(v.display),
      percent: `${((v.display.numeric / total) * 100).toFixed(options.legend?.decimals ?? 1)}%`,
    });
    const byName = new Map(shown.map((v) => [v.display.title ?? '', v]));
    const outer = Math.max(Math.min(right ? width * 0.5 : width, hasLegend && !right ? height - 36 : height) / 2 - (labels.length ? 26 : 8), 20);
    return {
      tooltip: {
        ...tooltip(theme),
        formatter: (p: { name: string; color: string }) => {
          const v = byName.get(p.name);
          return v ? `${escaped(p.name)}<br/><b>${escaped(text(v).value)}</b> (${text(v).percent})` : escaped(p.name);
        },
      },
      legend: hasLegend
        ? {
            ...legend(theme, right ? 'right' : 'bottom'),
            formatter: (name: string) => {
              const v = byName.get(name);
              return [name, ...(v ? wanted.map((w) => text(v)[w as 'value' | 'percent'] ?? '') : [])].join('  ');
            },
          }
        : { show: false },
      series: [
        {
          type: 'pie',
          center: right ? ['28%', '50%'] : ['50%', hasLegend ? (height - 30) / 2 : '50%'],
          radius: options.pieType === 'donut' ? [outer * 0.62, outer] : [0, outer],
          itemStyle: { borderColor: theme.colors.background.primary, borderWidth: 2 },
          label: labels.length
            ? {
                ...textStyle(theme),
                formatter: (p: { name: string }) => {
                  const v = byName.get(p.name);
                  return v ? labels.map((l) => text(v)[l as 'name' | 'value' | 'percent']).join('\n') : p.name;
                },
              }
            : { show: false },
          labelLine: { length: 6, length2: 6 },
          data: shown.map((v, i) => ({ name: v.display.title ?? '', value: v.display.numeric, itemStyle: { color: sliceColor(v, i, theme) } })),
        },
      ],
    };
  }, [values, options, width, height, theme]);
  const follow = (event: { dataIndex: number }) => {
    const links = values[event.dataIndex]?.getLinks as ((config: object) => LinkModel[]) | undefined;
    const link = links?.({})[0];
    if (link) {
      clickLink(link);
    }
  };
  return <Chart option={option} width={width} height={height} label={panel.title ?? '饼图'} onClick={values.some((v) => v.hasLinks) ? follow : undefined} />;
}

/** A slice of a palette takes the colour of its place: equal values must not look like one slice. */
function sliceColor(value: FieldDisplay, place: number, theme: GrafanaTheme2): string | undefined {
  if (!value.field.color?.mode?.startsWith('palette-')) {
    return value.display.color;
  }
  const palette = theme.visualization.palette;
  return theme.visualization.getColorByName(palette[place % palette.length]);
}

/** Follows a data link as if an anchor had been clicked. */
export function clickLink(link: LinkModel): void {
  const anchor = document.createElement('a');
  anchor.href = link.href;
  if (link.target) {
    anchor.target = link.target;
  }
  document.body.append(anchor);
  anchor.click();
  anchor.remove();
}
