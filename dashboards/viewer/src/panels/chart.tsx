/** Apache ECharts in a panel: one canvas for the panel's life, in the theme's colours. */
import type { GrafanaTheme2 } from '@grafana/data';
import { useTheme2 } from '@grafana/ui';
import { BarChart, CustomChart, EffectScatterChart, GaugeChart, MapChart, PieChart, ScatterChart } from 'echarts/charts';
import { AriaComponent, GeoComponent, GridComponent, LegendComponent, TooltipComponent, VisualMapComponent } from 'echarts/components';
import * as echarts from 'echarts/core';
import { CanvasRenderer } from 'echarts/renderers';
import { useEffect, useRef } from 'react';

echarts.use([
  AriaComponent, BarChart, CanvasRenderer, CustomChart, EffectScatterChart, GaugeChart, GeoComponent, GridComponent,
  LegendComponent, MapChart, PieChart, ScatterChart, TooltipComponent, VisualMapComponent,
]);

export { echarts };

// eslint-disable-next-line @typescript-eslint/no-explicit-any
export type ChartOption = Record<string, any>;

interface Props {
  option: ChartOption;
  width: number;
  height: number;
  label: string;
  /** Called with ECharts' parameters of the clicked shape. */
  onClick?: (event: { dataIndex: number; seriesName?: string; name: string; data: unknown; event?: { event: MouseEvent } }) => void;
}

export function Chart({ option, width, height, label, onClick }: Props) {
  const box = useRef<HTMLDivElement>(null);
  const chart = useRef<echarts.ECharts | null>(null);
  const clicked = useRef(onClick);
  clicked.current = onClick;

  useEffect(() => {
    const made = echarts.init(box.current as HTMLDivElement, undefined, { renderer: 'canvas' });
    // eslint-disable-next-line @typescript-eslint/no-explicit-any
    made.on('click', (event: any) => clicked.current?.(event));
    chart.current = made;
    return () => {
      made.dispose();
      chart.current = null;
    };
  }, []);

  useEffect(() => {
    chart.current?.resize({ width: Math.max(width, 1), height: Math.max(height, 1), silent: true });
  }, [width, height]);

  useEffect(() => {
    // Merged, not replaced: a replaced chart blinks at every refresh. Series that went are removed.
    chart.current?.setOption({ animation: false, ...option }, { replaceMerge: ['series'] });
  }, [option]);

  return <div ref={box} role="img" aria-label={label} style={{ width, height, cursor: onClick ? 'pointer' : undefined }} />;
}

export function textStyle(theme: GrafanaTheme2): ChartOption {
  return { color: theme.colors.text.primary, fontFamily: theme.typography.fontFamily, fontSize: 12 };
}

export function tooltip(theme: GrafanaTheme2): ChartOption {
  return {
    backgroundColor: theme.colors.background.elevated,
    borderColor: theme.colors.border.medium,
    textStyle: textStyle(theme),
    confine: true,
    appendToBody: false,
  };
}

export function legend(theme: GrafanaTheme2, placement: string | undefined): ChartOption {
  const side = placement === 'right' ? { orient: 'vertical', right: 4, top: 'middle' } : { bottom: 0, left: 'center' };
  return {
    type: 'scroll',
    ...side,
    itemWidth: 14,
    itemHeight: 10,
    textStyle: { ...textStyle(theme), color: theme.colors.text.primary },
    pageTextStyle: { color: theme.colors.text.secondary },
    pageIconColor: theme.colors.text.primary,
    pageIconInactiveColor: theme.colors.text.disabled,
  };
}

/** A text from the data inside of a tooltip's HTML. */
export const escaped = (text: string): string => text.replace(/[&<>"']/g, (c) => `&#${c.charCodeAt(0)};`);

export const useChartTheme = useTheme2;
